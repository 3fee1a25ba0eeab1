"""The data files curation knows: where they come from, what they may be used for, and their SHA-256."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from common.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Source:
    """One data file below the data folder; `trainable` is False for evaluation sets and non-commercial data."""

    path: str
    sha256: str
    licence: str
    origin: str
    trainable: bool

    def locate(self, data_dir: Path) -> Path:
        """Return the file's path; raises ConfigurationError where it is missing or is not the known file."""
        path = data_dir / self.path
        if not path.is_file():
            raise ConfigurationError(f"There is no {self.path} in {data_dir}. Get it from {self.origin}.")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != self.sha256:
            raise ConfigurationError(f"{self.path} has SHA-256 {found}, not {self.sha256}: it is not the known file.")
        return path


_TATQA = "https://github.com/NExTplusplus/TAT-QA"
_FINQA = "https://github.com/czyssrs/FinQA"
_EDGARTOOLS = "https://github.com/dgunning/edgartools"

TATQA_TRAIN = Source(
    "tatqa/train.json", "49c451795dfdfdf8b30985e84492676594642ce6257059868d3b6fc83acc37fa", "CC-BY-4.0", _TATQA, True
)
TATQA_EXTRA = Source(
    "tatqa/train_extra.jsonl",
    "50c7fab92d0b4bd51772928186024308c26653a9d0f5f78dceb4dd381a5675f1",
    "CC-BY-4.0",
    _TATQA,
    True,
)
TATQA_DEV = Source(
    "tatqa/dev.json", "956af1aa6fcd1188945ce2f779fb3c0dfc8d9b75f811c02c923710410810e045", "CC-BY-4.0", _TATQA, False
)
# The official train split. Optional; its questions are known one by one (`training/tasks/tatqa_split.py`).
TATQA_TRAIN_SPLIT = "tatqa/tatqa_dataset_train.json"
FINQA_TRAIN = Source(
    "finqa/train.jsonl", "51249990171ff318a0d2b406ec0c335d19d8209f819dec798ad1ac13380b2aeb", "MIT", _FINQA, True
)
FINQA_DEV = Source(
    "finqa/dev.jsonl", "ddf39b804496e8886dbe89ac5898d778cc9d258c9e7144cf497e40b495396dc8", "MIT", _FINQA, True
)
FINQA_DEV_RETRIEVED = Source(
    "finqa/dev_retrieved_context.jsonl",
    "eb2c5e90598ebc33cb76fb742e3139a81e75da3798692e11867c7da6fe2b8816",
    "MIT",
    _FINQA,
    False,
)
# Every one of its pages is also a page of FinQA dev: those are trained on that FinQA is not reported on.
CONVFINQA = Source(
    "convfinqa/dev.json",
    "d8b2eb09ec8e9cadd4da93305653ad76b2b329c2a94ca43fcbcadb26ab37b0e2",
    "MIT",
    "https://github.com/czyssrs/ConvFinQA",
    True,
)
TFNS = Source(
    "sentiment/tfns_train.jsonl",
    "2c9b3e57d0c43bb036b39f45957f0cc7b4a61cc7f12e5a3f54bd30f3ecc4eaf4",
    "MIT",
    "https://huggingface.co/datasets/zeroshot/twitter-financial-news-sentiment",
    True,
)
# The train split of the same data set. Optional; its rows are checked one by one (`training/tasks/tweet_split.py`).
TFNS_TRAIN_SPLIT = "sentiment/sent_train.csv"

XBRL = tuple(
    Source(f"xbrl/{name}", sha256, "MIT", _EDGARTOOLS, True)
    for name, sha256 in (
        ("aapl-20230930_htm.xml", "9ba479d9d5d674416fe64f2a7d3e306f5b5c30ecb0aa9d87737b80ad740f76d9"),
        ("apple_balance_sheet.csv", "cc124e3257dc30d74686eae58bec05fc6193da624d0e841351ca0ad1c0f3191d"),
        ("apple_cashflow.csv", "fddecd7e0e86b021136413b68be05b02fc2e504b25ec690031d6ef3a9d342a97"),
        ("apple_consolidated.csv", "fd393a2acb341930fdde824f326400b190ebfa124c219f3f8bd6d1f90b3eb914"),
        ("apple_equity.csv", "a7879197dac0df1c584bb2cfeb439677608ce8ba048173d7b1190bdfcab25093"),
        ("nflx-20240331_htm.xml", "23f98e32fa9385e50b588a530f07ada8e05f8250a3614f3cb06fcc22354bfd75"),
        ("tsla-20240630_htm.xml", "1412972a541d3845689123ed876e510c3af9722365b6052781b296c3fc0b35c0"),
    )
)
# Labels for Apple's concepts; read beside the instance.
XBRL_LABELS = Source(
    "xbrl/aapl-20230930_lab.xml",
    "a438ceb1944e00e7cf032fcc0490ef88ebc1920bfaba0f86a010a88be21e66bd",
    "MIT",
    _EDGARTOOLS,
    True,
)
