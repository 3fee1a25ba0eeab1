"""Counting prompt tokens: exactly where a tokenizer is prepared, never too few where none is."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from api.prompt_tokens import INLINE_CHARACTERS, ByteBoundCounter, TokenizerCounter, make_counter
from api.settings import ApiSettings
from common.errors import ModelFilesError
from common.prompts import Message, Role
from common.tokens import END_OF_TEXT, TURN_END, TURN_START, ChatTokenizer

TEXTS = ["a", "Revenue was $5.", "déjà vu 数字 🙂\0", "<|im_start|>system", "x" * (INLINE_CHARACTERS + 1)]


def write_tokenizer(folder: Path) -> Path:
    """A byte-level tokenizer without merges, with the control tokens of Qwen2."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*alphabet, TURN_START, TURN_END, END_OF_TEXT])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([TURN_START, TURN_END, END_OF_TEXT])
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


@pytest.mark.parametrize("text", TEXTS)
async def test_counts_are_the_workers_own(tmp_path: Path, text: str) -> None:
    """Given a prepared tokenizer, when short and long chats are counted, then the count is that of the worker."""
    path = write_tokenizer(tmp_path / "model")
    messages = (Message(Role.SYSTEM, "s"), Message(Role.USER, text))
    counter = make_counter(ApiSettings(data_dir=tmp_path, engine="fake"))
    assert isinstance(counter, TokenizerCounter)
    assert await counter.count(messages) == ChatTokenizer.from_file(path).count_chat(messages)


@pytest.mark.parametrize("text", TEXTS)
async def test_the_bound_is_never_too_low(tmp_path: Path, text: str) -> None:
    """Given the worst tokenizer, one token a byte, when bounded without it, then the bound is at least its count."""
    messages = (Message(Role.SYSTEM, "s"), Message(Role.USER, text))
    exact = ChatTokenizer.from_file(write_tokenizer(tmp_path / "model")).count_chat(messages)
    assert await ByteBoundCounter().count(messages) >= exact


async def test_a_model_may_be_prepared_while_the_gateway_runs(tmp_path: Path) -> None:
    """Given no model at first, when one is prepared later, then counting begins to work without a restart."""
    counter = make_counter(ApiSettings(data_dir=tmp_path, engine="native"))
    with pytest.raises(ModelFilesError, match="model prepare"):
        await counter.count([Message(Role.USER, "a")])
    write_tokenizer(tmp_path / "model")
    assert await counter.count([Message(Role.USER, "a")]) > 0


def test_only_the_fake_engine_goes_without(tmp_path: Path) -> None:
    """Given no prepared model, when the engine is fake, then the bound is used; else the exact counter insists."""
    assert isinstance(make_counter(ApiSettings(data_dir=tmp_path, engine="fake")), ByteBoundCounter)
    assert isinstance(make_counter(ApiSettings(data_dir=tmp_path, engine="auto")), TokenizerCounter)
