"""What an answer says and what stands behind it: kind, exact value, program, checked numbers, quotes of the sources."""

from enum import StrEnum

from common.finance_tasks import Task
from common.numbers import Scale
from common.values import Value


class Source(Value):
    """A text that an answer may cite: a page of a document (pages count from one), or a context sent with a job."""

    document: str
    page: int | None = None
    text: str


class ResultKind(StrEnum):
    """What sort of answer came out: the kinds of an answer line, free text, a label, or a line that nobody can read."""

    NUMBER = "number"
    TRUTH = "truth"
    SPANS = "spans"
    COUNT = "count"
    NOT_FOUND = "not_found"
    TEXT = "text"
    LABEL = "label"
    UNPARSEABLE = "unparseable"


class Verification(StrEnum):
    """What stands behind an answer: every number, operand and copied item is in the sources, or some, or none is.

    `no numbers` says that there was nothing to check.
    """

    VERIFIED = "verified"
    PARTLY = "partly verified"
    UNVERIFIED = "unverified"
    NO_NUMBERS = "no numbers"


class Citation(Value):
    """Words that stand exactly so in a source."""

    document: str
    page: int | None = None
    quote: str


class AnswerNumber(Value):
    """A number at text[start:end] of the answer, how it was found, and where.

    `reason` tells why an unverified number is one.
    """

    text: str
    start: int
    end: int
    finding: str
    verified: bool
    reason: str | None = None
    citations: tuple[Citation, ...] = ()


class AnswerOperand(Value):
    """A number of the program; `found` where a source or the question holds it, or where it is a formula's constant."""

    text: str
    found: bool
    citation: Citation | None = None


class EvidenceCounts(Value):
    """How many table rows and sentences of the sources the prompt kept and dropped."""

    rows_kept: int
    rows_dropped: int
    sentences_kept: int
    sentences_dropped: int


class PageRead(Value):
    """A page of a document that a prompt was made of."""

    document: str
    page: int | None = None


class PromptRead(Value):
    """One prompt of an answer: the pages it was made of and what came of it; `stands` marks the one answered from."""

    pages: tuple[PageRead, ...]
    kind: ResultKind
    verification: Verification
    stands: bool


class FinanceAnswer(Value):
    """An answer taken apart.

    `line` is what the model wrote, from the second try where it was `retried`. `value` is exact, a decimal or a
    fraction as text, in units of `scale` (percentage points for percent). `items` are the spans copied or counted.
    `prompts` are those asked in turn, empty where there was only one to ask. `confidence` is the probability from 0
    to 1 that the model gave to its line, the product over the line's tokens (of the second try without its given
    beginning); None for free text and for engines that tell no probabilities.
    """

    task: Task
    kind: ResultKind
    verification: Verification
    value: str | None = None
    scale: Scale | None = None
    items: tuple[str, ...] = ()
    program: str | None = None
    operands: tuple[AnswerOperand, ...] = ()
    line: str
    numbers: tuple[AnswerNumber, ...] = ()
    citations: tuple[Citation, ...] = ()
    evidence: EvidenceCounts | None = None
    retried: bool = False
    confidence: float | None = None
    prompts: tuple[PromptRead, ...] = ()
