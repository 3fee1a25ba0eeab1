"""What goes over the wire for jobs; unknown fields are refused, types are not converted."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from common.answers import MAX_LINE_CHARS, parse_line
from common.errors import RequestError, UnparseableAnswerError
from common.finance_requests import context_request, follow_up_request, instructed_request
from common.finance_tasks import Task, choose_task
from common.jobs import GenerateRequest, GenerateResult, JobError, JobStatus, Lane
from common.webhook_targets import MAX_URL_CHARACTERS
from common.wire import Labels, WholeNumber

LONGEST_DEADLINE_S = 30 * 86_400
MAX_EARLIER_TURNS = 8
JOB_ID_PATTERN = r"^job_[0-9a-f]{28}$"


def _not_blank(question: str) -> str:
    if not question.strip():
        raise ValueError("the question is blank")
    return question


QuestionText = Annotated[
    str,
    Field(min_length=1, description="The question; not blank.", json_schema_extra={"pattern": r"\S"}),
    AfterValidator(_not_blank),
]
Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class EarlierTurn(BaseModel):
    """A question answered before about the same context, with the line its answer was read from."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    question: QuestionText
    line: str = Field(min_length=1, max_length=MAX_LINE_CHARS, description="Its `result.answer.line`.")


class JobSubmission(BaseModel):
    """A finance question and how to answer it.

    Text is data: control tokens of the chat format inside it have no meaning to the model.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [
                {
                    "question": "By how much did revenue grow in 2023?",
                    "context": "Revenue was $1,250 million in 2023 and $1,000 million in 2022.",
                    "max_tokens": 64,
                }
            ]
        },
    )

    question: QuestionText
    context: str | None = Field(None, description="Text that the answer is taken from, such as a page of a report.")
    earlier: list[EarlierTurn] = Field(
        default=[],
        max_length=MAX_EARLIER_TURNS,
        description="Makes the question a follow-up (`And in 2022?`): what was asked and answered about the same "
        "`context`, oldest first. The answer is one of task `figures`.",
    )
    system: str | None = Field(
        None, description="Replaces the built-in instructions to the model, which then gets the context word for word."
    )
    task: Literal["auto", "text", "figures", "sentiment"] = Field(
        "auto",
        description="`figures` answers from the context by a checked program or by copied words, `text` in sentences, "
        "`sentiment` by a label. `auto` takes `figures` where there is a context and no `system`, unless the question "
        "asks for an explanation.",
    )
    max_tokens: WholeNumber = Field(256, ge=1, le=1_000_000, description="Most tokens to generate.")
    temperature: float = Field(0.0, ge=0, le=2, description="0 always takes the likeliest token.")
    top_p: float = Field(1.0, gt=0, le=1, description="Sample from the likeliest tokens of this total probability.")
    top_k: WholeNumber = Field(
        0, ge=0, le=1_000_000, description="Sample from this many likeliest tokens; 0 means all."
    )
    seed: WholeNumber = Field(0, ge=0, le=2**31 - 1, description="Makes sampling repeatable.")
    stop: list[Annotated[str, Field(min_length=1, max_length=256)]] = Field(
        default=[], max_length=4, description="The answer ends before the first of these."
    )
    priority: WholeNumber = Field(0, ge=0, le=9, description="Higher starts sooner; low priority still gets its turn.")
    # Strict mode would refuse the names of an enum's values.
    lane: Annotated[Lane, Field(strict=False)] = Field(
        Lane.INTERACTIVE, description="`interactive` is served before `bulk`."
    )
    deadline_s: float | None = Field(
        None, gt=0, le=LONGEST_DEADLINE_S, description="The job expires if it has not ended after this many seconds."
    )
    webhook: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_URL_CHARACTERS,
        json_schema_extra={"format": "uri"},
        description="http or https address that is told when the job ends, as Standard Webhooks describes.",
    )
    metadata: Labels = Field(default={}, description="Your own labels, given back with the job.")

    def generate_request(self) -> GenerateRequest:
        """Return what the model is asked; raises RequestError for a task that the other fields rule out."""
        sampling = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "seed": self.seed,
            "stop": tuple(self.stop),
        }
        return self._prompted().model_copy(update=sampling)

    def _prompted(self) -> GenerateRequest:
        if self.earlier:
            return self._follow_up()
        task = self._chosen_task()
        if task is not Task.TEXT and self.system is not None:
            raise RequestError(
                f"The task {task} has instructions of its own. Leave out `system`, or ask for the task text.", "system"
            )
        if task is Task.FIGURES and self.context is None:
            raise RequestError("The task figures reads its answer from a context. Send `context`.", "context")
        if self.system is not None:
            return instructed_request(self.question, self.context, self.system, self.max_tokens)
        return context_request(self.question, self.context, task, self.max_tokens)

    def _follow_up(self) -> GenerateRequest:
        if self.context is None or self.system is not None or self.task not in ("auto", Task.FIGURES):
            raise RequestError(
                "A follow-up is answered by the task figures: send `context`, and leave out `system` and other tasks.",
                "earlier",
            )
        for number, turn in enumerate(self.earlier):
            try:
                parse_line(turn.line)
            except UnparseableAnswerError as error:
                raise RequestError(
                    f"{error.message} Send the `result.answer.line` of the earlier answer.", f"earlier.{number}.line"
                ) from error
        turns = [(turn.question, turn.line) for turn in self.earlier]
        return follow_up_request(self.question, turns, self.context, self.max_tokens)

    def _chosen_task(self) -> Task:
        if self.task != "auto":
            return Task(self.task)
        return choose_task(
            self.question, has_sources=self.context is not None, has_instructions=self.system is not None
        )


class QueueView(BaseModel):
    """Where a queued job stands."""

    position: int = Field(description="1 is next in its lane.")
    jobs_in_lane: int
    eta_s: float | None = Field(description="Expected seconds to its end by measured rates, null until measured.")


class WebhookView(BaseModel):
    """How the notification of a job's end stands."""

    url: str
    status: Literal["waiting", "pending", "delivered", "failed"]
    attempts: int
    last_error: str | None


class JobLinks(BaseModel):
    """Where to go from here."""

    self: str
    events: str
    cancel: str


class JobView(BaseModel):
    """A job as its caller sees it; fields that do not apply yet are null."""

    id: str = Field(pattern=JOB_ID_PATTERN)
    object: Literal["job"] = "job"
    status: JobStatus
    lane: Lane
    priority: int
    created_at: Timestamp
    started_at: Timestamp | None = Field(description="When a worker last took the job.")
    finished_at: Timestamp | None
    deadline_at: Timestamp | None
    attempt: int = Field(description="How many times a worker took the job.")
    worker: str | None
    prompt_tokens: int
    max_tokens: int
    cancel_requested: bool
    queue: QueueView | None = Field(description="Only while the job is queued.")
    result: GenerateResult | None = Field(description="Only when the job succeeded.")
    error: JobError | None = Field(description="Only when the job failed.")
    webhook: WebhookView | None
    metadata: dict[str, str]
    links: JobLinks


class JobPage(BaseModel):
    """Jobs, newest first; pass `last_id` as `after` to read on."""

    object: Literal["list"] = "list"
    data: list[JobView]
    first_id: str | None
    last_id: str | None
    has_more: bool
