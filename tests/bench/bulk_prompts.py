"""The prompts of a query over real reports, in the order the service asks them, as token ids."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.collections import DocumentRecord, DocumentStatus
from common.model_files import TOKENIZER_NAME
from common.queries import QueryQuestion, QuerySpec
from common.tokens import ChatTokenizer
from worker.bulk.extraction_plan import planned_rows
from worker.bulk.page_choice import PageBudget
from worker.bulk.row_requests import RowRequests
from worker.engine.native.blocks import BLOCK_TOKENS
from worker.retrieval.blobs import FolderBlobs
from worker.retrieval.library import Library
from worker.settings import WorkerSettings

# Their files can be read; `awkward` beside them holds those that cannot.
_KINDS = ("pdf", "html")


@dataclass(frozen=True, slots=True)
class Prompts:
    """What is asked: prompts in plan order, the longest answer in tokens, and how long reading the reports took."""

    token_ids: tuple[tuple[int, ...], ...]
    answer_tokens: int
    stops: frozenset[int]
    pages: int
    read_s: float


def chosen_reports(folder: Path, most: int) -> list[Path]:
    """Return up to `most` readable reports of a folder, spread evenly over their names."""
    files = sorted(file for kind in _KINDS for file in (folder / kind).glob(f"*.{kind}"))
    if most >= len(files):
        return files
    return [files[number * len(files) // most] for number in range(most)]


def read_prompts(reports: Sequence[Path], questions: Sequence[str], model_dir: Path, folder: Path) -> Prompts:
    """Parse and index the reports below `folder` and make every row's first prompt, exactly as a worker does."""
    started_s = time.monotonic()
    settings = WorkerSettings()
    library = Library(FolderBlobs(folder))
    documents = [_read(library, path) for path in reports]
    spec = QuerySpec(
        collection_id="bench",
        questions=tuple(QueryQuestion(id=f"q{number}", text=text) for number, text in enumerate(questions, start=1)),
    )
    budget = PageBudget(settings.extraction_page_tokens, settings.extraction_pages)
    requests = RowRequests(library, None, settings)
    asked = [requests.of(row) for row in planned_rows(library, spec, documents, budget) if row.pages]
    read_s = time.monotonic() - started_s
    tokenizer = ChatTokenizer.from_file(model_dir / TOKENIZER_NAME)
    return Prompts(
        token_ids=tuple(tuple(tokenizer.encode_chat(request.messages)) for request in asked),
        answer_tokens=max(request.max_tokens for request in asked),
        stops=frozenset(tokenizer.stop_token_ids),
        pages=sum(document.pages or 0 for document in documents),
        read_s=read_s,
    )


def shareable_tokens(prompts: Sequence[Sequence[int]]) -> int:
    """Return how many prompt tokens a prefix cache without limits would find, each prompt ended before the next."""
    known: set[tuple[int, ...]] = set()
    found = 0
    for prompt in prompts:
        # The last token is always computed: its logits are the answer's first.
        ends = range(BLOCK_TOKENS, len(prompt), BLOCK_TOKENS)
        prefixes = [tuple(prompt[:end]) for end in ends]
        found += BLOCK_TOKENS * sum(prefix in known for prefix in prefixes)
        known.update(prefixes)
    return found


def _read(library: Library, path: Path) -> DocumentRecord:
    data = path.read_bytes()
    document = library.add(path.name, data)
    return DocumentRecord(
        id=f"doc_{path.name}",
        collection_id="bench",
        caller="bench",
        name=path.name,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        status=DocumentStatus.READY,
        created_at_ms=0,
        pages=len(document.pages),
    )
