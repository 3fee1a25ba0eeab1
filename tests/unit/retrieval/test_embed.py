"""The numpy encoder against the reference implementation, and passages."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertModel

from common.errors import ModelFilesError
from common.pages import Document, MediaKind, Page
from worker.retrieval.embed import MiniLm, passages

_WORDS = ["[PAD]", "[UNK]", "cash", "flow", "debt", "net", "income", "sales"]
_TEXTS = ["cash flow", "net income sales debt cash flow net net", "debt"]


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """A tiny random BERT in the files a sentence-transformers wheel carries."""
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(_WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=300,
    )
    weights = BertModel(config).state_dict()
    save_file({name: value.numpy() for name, value in weights.items()}, tmp_path / "model.safetensors")
    config.save_pretrained(tmp_path)
    tokenizer = Tokenizer(WordPiece({word: number for number, word in enumerate(_WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_vectors_are_those_of_the_reference(model_folder: Path) -> None:
    """Given a BERT, when texts of unlike length are encoded in one batch, then each vector is the reference's."""
    vectors = MiniLm.load(model_folder)(_TEXTS)
    reference = BertModel(BertConfig.from_pretrained(model_folder)).train(False)
    loaded = {name: torch.from_numpy(value) for name, value in load_file(model_folder / "model.safetensors").items()}
    reference.load_state_dict(loaded)
    tokenizer = Tokenizer.from_file(str(model_folder / "tokenizer.json"))
    for text, vector in zip(_TEXTS, vectors, strict=True):
        with torch.no_grad():
            hidden = reference(torch.tensor([tokenizer.encode(text).ids])).last_hidden_state.mean(dim=1)[0].numpy()
        assert np.allclose(vector, hidden / np.linalg.norm(hidden), atol=1e-5)


def test_missing_files_are_named(tmp_path: Path) -> None:
    """Given an empty folder, when a model is loaded from it, then the error names the file."""
    with pytest.raises(ModelFilesError, match=r"config\.json"):
        MiniLm.load(tmp_path)


def test_passages_cover_pages_and_never_cross_them() -> None:
    """Given pages of many and of few words, when passages are cut, then every word is in one and pages are kept."""
    long = " ".join(f"w{number}" for number in range(401))
    document = Document("0" * 64, "a", MediaKind.TEXT, (Page(1, long), Page(2, "short"), Page(3, "")))
    texts, pages = passages(document)
    assert pages.tolist() == [0, 0, 0, 1, 2]
    assert " ".join(texts[:3]) == long
