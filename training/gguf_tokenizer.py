"""A byte-level BPE tokenizer.json made from the vocabulary and merges inside a GGUF file."""

import json
from enum import IntEnum
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from common.errors import ModelFilesError
from common.model_files import TOKENIZER_NAME
from training.gguf_weights import GgufModel

# Words, single digits, punctuation and white space, as Qwen2's own tokenizer.json splits them.
_QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TOKENIZER_CONFIG_NAME = "tokenizer_config.json"


class TokenType(IntEnum):
    """Kinds of vocabulary entries in GGUF (tokenizer.ggml.token_type)."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


def write_tokenizer(model: GgufModel, folder: Path) -> None:
    """Write tokenizer.json and tokenizer_config.json; raises ModelFilesError for another kind of tokenizer."""
    build_tokenizer(model).save(str(folder / TOKENIZER_NAME))
    tokens = model.field("tokenizer.ggml.tokens")
    config = {
        "tokenizer_class": "Qwen2Tokenizer",
        "model_max_length": int(model.field("qwen2.context_length")),
        "eos_token": tokens[model.field("tokenizer.ggml.eos_token_id")],
        "pad_token": tokens[model.field("tokenizer.ggml.padding_token_id")],
        "bos_token": None,
        "unk_token": None,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "errors": "replace",
        "chat_template": model.field("tokenizer.chat_template"),
    }
    text = json.dumps(config, indent=2, ensure_ascii=False)
    (folder / TOKENIZER_CONFIG_NAME).write_text(text + "\n", encoding="utf-8")


def build_tokenizer(model: GgufModel) -> Tokenizer:
    """Return the Qwen2 tokenizer whose vocabulary and merges the GGUF file holds."""
    kind = (model.field("tokenizer.ggml.model"), model.field("tokenizer.ggml.pre"))
    if kind != ("gpt2", "qwen2"):
        raise ModelFilesError(f"The model's tokenizer is {kind[0]}/{kind[1]}; only gpt2/qwen2 is supported.")
    tokens: list[str] = model.field("tokenizer.ggml.tokens")
    types: list[int] = model.field("tokenizer.ggml.token_type")
    vocabulary = {token: n for n, token in enumerate(tokens) if types[n] == TokenType.NORMAL}
    merges = [_pair(merge) for merge in model.field("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, byte_fallback=False, fuse_unk=False))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_QWEN2_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    _add_control_tokens(tokenizer, tokens, types)
    return tokenizer


def _add_control_tokens(tokenizer: Tokenizer, tokens: list[str], types: list[int]) -> None:
    added = [
        AddedToken(token, special=types[n] == TokenType.CONTROL, normalized=False)
        for n, token in enumerate(tokens)
        if types[n] in (TokenType.CONTROL, TokenType.USER_DEFINED)
    ]
    tokenizer.add_tokens(added)
    for token in added:
        if tokenizer.token_to_id(token.content) != tokens.index(token.content):
            raise ModelFilesError(f"The vocabulary leaves a gap before {token.content}; the file is damaged.")


def _pair(merge: str) -> tuple[str, str]:
    left, _, right = merge.partition(" ")
    return left, right
