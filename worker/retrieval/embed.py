"""Sentence vectors from a small BERT (MiniLM, Wang et al. 2020; mean pooling), in numpy alone."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from common.errors import ModelFilesError
from common.pages import Document

FloatArray = npt.NDArray[np.float32]
_MAX_TOKENS = 256
_BATCH_TOKENS = 4_096
_PASSAGE_WORDS = 150
_EPSILON = 1e-12


class MiniLm:
    """A BERT encoder with mean pooling and unit-length output; about 22 million parameters, float32."""

    def __init__(self, weights: dict[str, FloatArray], heads: int, tokenizer: Tokenizer) -> None:
        self._weights = weights
        self._heads = heads
        self._layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
        self._tokenizer = tokenizer
        tokenizer.no_padding()
        tokenizer.enable_truncation(_MAX_TOKENS)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read config.json, model.safetensors and tokenizer.json; raises ModelFilesError if one is missing."""
        files = [folder / name for name in ("config.json", "model.safetensors", "tokenizer.json")]
        for file in files:
            if not file.is_file():
                raise ModelFilesError(f"{file} is missing: the folder holds no embedding model.")
        config = json.loads(files[0].read_text("utf-8"))
        return cls(load_file(files[1]), config["num_attention_heads"], Tokenizer.from_file(str(files[2])))

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector per text, float32 [texts, width]; text beyond 256 tokens is not seen."""
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        width = self._weights["embeddings.word_embeddings.weight"].shape[1]
        vectors = np.empty((len(rows), width), np.float32)
        # Texts of like length go together, so that little of a batch is padding.
        order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
        start = 0
        while start < len(order):
            end = start + 1
            while end < len(order) and (end + 1 - start) * len(rows[order[end]]) <= _BATCH_TOKENS:
                end += 1
            batch = order[start:end]
            vectors[batch] = self._encode([rows[number] for number in batch])
            start = end
        return vectors

    def _encode(self, rows: Sequence[Sequence[int]]) -> FloatArray:
        longest = max(map(len, rows))
        ids = np.zeros((len(rows), longest), np.int64)
        real = np.zeros((len(rows), longest), bool)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
            real[number, : len(row)] = True
        weights = self._weights
        hidden = weights["embeddings.word_embeddings.weight"][ids]
        hidden += weights["embeddings.position_embeddings.weight"][:longest]
        hidden += weights["embeddings.token_type_embeddings.weight"][0]
        hidden = self._norm(hidden, "embeddings.LayerNorm")
        blocked = np.where(real, 0.0, -1e9).astype(np.float32)[:, None, None, :]
        for layer in range(self._layers):
            hidden = self._layer(hidden, f"encoder.layer.{layer}", blocked)
        mean = (hidden * real[:, :, None]).sum(axis=1) / real.sum(axis=1, keepdims=True)
        return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True), np.float32)

    def _layer(self, hidden: FloatArray, name: str, blocked: FloatArray) -> FloatArray:
        rows, length, width = hidden.shape
        split = (rows, length, self._heads, width // self._heads)
        query, key, value = (
            self._linear(hidden, f"{name}.attention.self.{part}").reshape(split).transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        scores = np.asarray(query @ key.transpose(0, 1, 3, 2) / math.sqrt(split[3]) + blocked, np.float32)
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed: FloatArray = (scores @ value).transpose(0, 2, 1, 3).reshape(rows, length, width)
        hidden = self._norm(
            hidden + self._linear(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm"
        )
        inner = _gelu(self._linear(hidden, f"{name}.intermediate.dense"))
        return self._norm(hidden + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _linear(self, inputs: FloatArray, name: str) -> FloatArray:
        return np.asarray(inputs @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"])

    def _norm(self, inputs: FloatArray, name: str) -> FloatArray:
        centred = inputs - inputs.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(_EPSILON))
        return np.asarray(centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"])


def passages(document: Document, words: int = _PASSAGE_WORDS) -> tuple[list[str], npt.NDArray[np.int32]]:
    """Return a document's passages of about `words` words, and the page (from zero) of each; none crosses pages."""
    texts: list[str] = []
    pages: list[int] = []
    for page in document.pages:
        tokens = page.text.split()
        for start in range(0, max(len(tokens) - words // 3, 1), words):
            end = start + words if len(tokens) - start - words > words // 3 else len(tokens)
            texts.append(" ".join(tokens[start:end]))
            pages.append(page.number - 1)
    return texts, np.array(pages, np.int32)


def _gelu(inputs: FloatArray) -> FloatArray:
    """Return x/2 * (1 + erf(x/sqrt 2)) with erf by Abramowitz and Stegun 7.1.26 (error below 1.5e-7)."""
    size = np.abs(inputs) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * size)
    series = t * (
        0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * np.float32(1.061405429))))
    )
    erf = 1 - series * np.exp(-size * size)
    return np.asarray(inputs * np.float32(0.5) * (1 + np.copysign(erf, inputs)), np.float32)
