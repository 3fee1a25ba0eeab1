"""A tiny random Qwen2 on disk and rows that share prompts."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from training.examples import Example

VOCABULARY = 320


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a three-layer fp32 Qwen2 with grouped-query attention and tied embeddings."""
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(7)
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        initializer_range=0.2,
    )
    model = Qwen2ForCausalLM(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.3)
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def make_rows() -> Callable[[int, int, int], list[Example]]:
    """Return a maker of `contexts` × `questions` rows whose contexts have `length` tokens."""

    def make(contexts: int, questions: int, length: int) -> list[Example]:
        generator = random.Random(3)

        def tokens(count: int) -> list[int]:
            return [generator.randrange(VOCABULARY) for _ in range(count)]

        rows = []
        for _ in range(contexts):
            context, phrase = tokens(length), tokens(3)
            for question in range(questions):
                # Every other question starts alike, so that trees branch below their root as well.
                own = (phrase if question % 2 else []) + tokens(generator.randrange(2, 9))
                prompt = np.asarray(context + own, np.int32)
                rows.append(Example(prompt, np.asarray(tokens(generator.randrange(1, 6)), np.int32)))
        return rows

    return make
