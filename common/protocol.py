"""The body of POST /v1/chat/completions as OpenAI clients send it, and the request it makes."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from common.errors import RequestError
from common.jobs import GenerateRequest
from common.prompts import Message, Role, chat_messages
from common.unsupported import without_unsupported
from common.wire import WHOLE, Labels, faults_in_words

# Asked for by this name, whichever model is served answers.
MODEL_ALIAS = "financellm"
DEFAULT_MAX_TOKENS = 256
SEEDS = 2**31
_SHOWN_FAULTS = 5

MostTokens = Annotated[int, Field(ge=1, le=1_000_000), WHOLE]
StopString = Annotated[str, Field(min_length=1, max_length=256)]
ROLES = {"system": Role.SYSTEM, "developer": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT}


class Wire(BaseModel):
    """Base of what clients send: unknown fields are refused, types are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class TextPart(Wire):
    """A piece of a message's text."""

    type: Literal["text"]
    text: str


def _content_kind(value: Any) -> str:
    return "parts" if isinstance(value, list) else "text"


Content = Annotated[
    Annotated[str, Tag("text")] | Annotated[list[TextPart], Field(min_length=1), Tag("parts")],
    Discriminator(_content_kind),
]


class ChatMessage(Wire):
    """One turn of the conversation; `developer` is read as `system`, parts of a content are joined by line breaks.

    Text is data: control tokens of the chat format inside it have no meaning to the model.
    """

    role: Literal["system", "developer", "user", "assistant"]
    content: Content

    def message(self) -> Message:
        """Return the turn as prompts are made of it."""
        parts = self.content if isinstance(self.content, list) else None
        text = self.content if isinstance(self.content, str) else "\n".join(part.text for part in parts or ())
        return Message(ROLES[self.role], text)


class StreamOptions(Wire):
    """What a stream carries beside the text."""

    include_usage: bool = Field(False, description="One more chunk before the end, with `usage` and no choices.")
    include_obfuscation: Literal[False] | None = Field(None, description="Chunks are never padded.")


class ChatCompletionRequest(Wire):
    """A conversation to go on with, as OpenAI clients send it.

    Parameters of OpenAI that this service cannot honour are refused with `unsupported_parameter`, unless their value
    changes nothing (such as `n` = 1). Beyond OpenAI's words: without `temperature` the likeliest token is always taken
    (there it is 1), because answers about figures should be the same each time they are asked for.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": MODEL_ALIAS,
                    "messages": [
                        {"role": "user", "content": "Revenue was $120 million in 2023. What was revenue in 2023?"}
                    ],
                    "max_tokens": 32,
                }
            ]
        },
    )

    model: str = Field(min_length=1, max_length=256, description=f"A name of /v1/models, or `{MODEL_ALIAS}`.")
    messages: list[ChatMessage] = Field(
        min_length=1, description="The conversation; built-in instructions are put in front where no system turn is."
    )
    max_tokens: MostTokens | None = Field(
        None, description=f"Most tokens to generate; {DEFAULT_MAX_TOKENS} where not said."
    )
    max_completion_tokens: MostTokens | None = Field(
        None, description="The newer name of `max_tokens`; both must agree where both are sent."
    )
    temperature: float | None = Field(None, ge=0, le=2, description="0, the default, always takes the likeliest token.")
    top_p: float | None = Field(None, gt=0, le=1, description="Sample from the likeliest tokens of this probability.")
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63), WHOLE] | None = Field(
        None, description="Makes sampling repeatable; 0 where not said. Counted modulo 2**31."
    )
    stop: StopString | Annotated[list[StopString], Field(max_length=4)] | None = Field(
        None, description="The answer ends before the first of these."
    )
    stream: bool | None = Field(None, description="Send the answer as server-sent events while it is made.")
    stream_options: StreamOptions | None = Field(None, description="Only together with `stream`.")
    metadata: Labels | None = Field(None, description="Your own labels, kept with the job.")
    user: str | None = Field(None, description="Accepted without effect: the API key names the caller.")
    safety_identifier: str | None = Field(None, description="Accepted without effect.")
    prompt_cache_key: str | None = Field(None, description="Accepted without effect: equal beginnings are found.")

    @model_validator(mode="before")
    @classmethod
    def _refuse_unsupported(cls, body: Any) -> Any:
        return without_unsupported(body)

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        limits = {self.max_tokens, self.max_completion_tokens} - {None}
        if len(limits) > 1:
            raise ValueError("max_tokens and max_completion_tokens differ; send one of them")
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options needs stream to be true")
        return self

    @classmethod
    def parse(cls, body: Any) -> Self:
        """Read a parsed JSON body; raises UnsupportedParameterError or RequestError in words that name the fields."""
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            faults = faults_in_words(error.errors(include_input=False, include_url=False))
            words = [f"{fault.field}: {fault.reason}" for fault in faults[:_SHOWN_FAULTS]]
            raise RequestError(" ".join(words), faults[0].field) from error

    @property
    def is_stream(self) -> bool:
        """Whether the answer is sent while it is made."""
        return bool(self.stream)

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with a chunk of usage."""
        return self.stream_options is not None and self.stream_options.include_usage

    def generate_request(self) -> GenerateRequest:
        """Return what the model is asked."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return GenerateRequest(
            messages=chat_messages([message.message() for message in self.messages]),
            max_tokens=self.max_completion_tokens or self.max_tokens or DEFAULT_MAX_TOKENS,
            temperature=self.temperature or 0.0,
            top_p=1.0 if self.top_p is None else self.top_p,
            seed=(self.seed or 0) % SEEDS,
            stop=tuple(stop),
        )
