"""What every engine is given: equal finance prompts as token ids, and prompts whose answer stands in them."""

from pathlib import Path

from tokenizers import Tokenizer

PROMPT_TOKENS = 128
NEW_TOKENS = 64
BATCHES = (1, 8, 16, 32)

_COMPANIES = ("Northwind Paper", "Alder Freight", "Cobalt Retail", "Harbor Foods", "Juniper Software", "Kestrel Energy")
_EXCERPT = (
    "{company} reported net sales of ${a} million for the third quarter of fiscal 2025, an increase of {b} percent "
    "over the same quarter a year earlier, due primarily to higher volumes and favorable pricing in its largest "
    "segment. Cost of sales was ${c} million. Research and development expense rose {d} percent, driven by headcount. "
    "The effective tax rate was {e} percent, compared with 15.9 percent a year earlier, because of a higher rate on "
    "foreign earnings. The company repurchased {f} million shares of its common stock and paid dividends of ${g} "
    "million. Inventories were ${h} million at the end of the quarter, and cash and cash equivalents were ${i} million."
)
_EXTRACTIVE = (
    "Copy the complete excerpt.",
    "Quote the sentences of the excerpt that mention net sales, cost of sales and taxes.",
    "What was the effective tax rate and why did it change? Answer with the exact sentence from the excerpt.",
)


def _chat(tokenizer: Tokenizer, user: str) -> list[int]:
    text = (
        "<|im_start|>system\nYou answer questions about company disclosures.<|im_end|>\n"
        f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"
    )
    return list(tokenizer.encode(text).ids)


def _excerpt(number: int) -> str:
    figures = {name: 100 + (number * 37 + index * 61) % 800 for index, name in enumerate("acfghi")}
    shares = {name: 3 + (number * 5 + index * 7) % 19 for index, name in enumerate("bde")}
    return _EXCERPT.format(company=_COMPANIES[number % len(_COMPANIES)], **figures, **shares)


def equal_prompts(model_dir: Path, count: int) -> list[list[int]]:
    """Return `count` different prompts of exactly PROMPT_TOKENS tokens, so that no engine pays for padding."""
    tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    prompts = []
    for number in range(count):
        ids = _chat(tokenizer, f"{number}. {_excerpt(number)} Explain what drove the quarter.")
        prompts.append(ids[: PROMPT_TOKENS - 8] + ids[-8:])
    return prompts


def extractive_prompts(model_dir: Path) -> list[list[int]]:
    """Return prompts whose answers quote them."""
    tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    return [_chat(tokenizer, f"{task}\n\nExcerpt: {_excerpt(index)}") for index, task in enumerate(_EXTRACTIVE)]


def stop_tokens(model_dir: Path) -> list[int]:
    """Return the ids that end a turn."""
    tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    ids = (tokenizer.token_to_id(text) for text in ("<|im_end|>", "<|endoftext|>"))
    return [token for token in ids if token is not None]
