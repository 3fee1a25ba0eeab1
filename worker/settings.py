"""Settings of a worker, on top of those every process shares."""

import base64
import binascii
import os
import secrets
import socket
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from common.errors import ConfigurationError
from common.jobs import Lane
from common.settings import Settings
from common.webhook_targets import TargetPolicy

SECRET_PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)
# With fewer rows a job ahead would wait long, and another worker might have taken it sooner.
ROWS_PER_JOB_AHEAD = 16


def default_worker_name() -> str:
    """Return a name no other worker has, restarts of this one included."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


class WorkerSettings(Settings):
    """What only workers need."""

    model_config = SettingsConfigDict(hide_input_in_errors=True)

    worker_name: str = Field(
        default_factory=default_worker_name,
        pattern=r"^[A-Za-z0-9._-]{1,128}$",
        description="Shown in events and logs; unique among live workers.",
    )
    lanes: Annotated[tuple[Lane, ...], NoDecode] = Field(
        (Lane.INTERACTIVE, Lane.BULK), description="Lanes served, first one first, comma separated."
    )
    max_rows: int = Field(
        16,
        ge=1,
        le=256,
        description="Jobs this worker runs at once; for each sixteen one more is made ready.",
    )
    drain_s: float = Field(
        20.0, ge=0, description="Time to finish running jobs after SIGTERM; the rest is handed back."
    )
    stall_timeout_s: float = Field(120.0, gt=0, description="A step longer than this ends the process.")
    deaf_timeout_s: float = Field(
        60.0, gt=0, description="An idle worker that gets no work while jobs wait ends itself."
    )
    progress_interval_ms: int = Field(250, ge=10, description="How often new text is written to the event logs.")
    suspect_after_losses: int = Field(
        1, ge=1, description="A job whose worker was lost this often runs with no other beside it."
    )
    engine_threads: int | None = Field(
        None,
        ge=1,
        description="Threads of the engine (native, vllm, openvino, llamacpp); by the CPU quota if not set.",
    )
    kv_cache_bytes: int = Field(
        512 << 20, ge=1 << 20, description="Keys and values of the engine; 12 KiB a token of the 0.5B model in bf16."
    )
    transformers_dtype: Literal["auto", "bfloat16", "float32"] = Field(
        "auto",
        description="Number format of transformers and vLLM; `auto` is bfloat16, for transformers float32 on a CPU "
        "that only emulates bfloat16.",
    )
    prefill_tokens_per_step: int = Field(
        2_048, ge=64, description="Prompt tokens that join in one step; more would hold up running jobs for too long."
    )

    extraction_page_tokens: int = Field(
        750, ge=0, description="Pages of a report go into a prompt whole up to this many estimated tokens together."
    )
    extraction_pages: int = Field(2, ge=1, le=5, description="Pages that evidence is selected from where none fits.")
    extraction_more_pages: int = Field(
        0, ge=0, le=4, description="Next-best pages asked one by one where the chosen ones give no verified answer."
    )
    extraction_table_tokens: int = Field(420, ge=50, description="Table rows selected from pages that do not fit.")
    extraction_sentence_tokens: int = Field(230, ge=50, description="Sentences selected from such pages.")
    extraction_line_tokens: int = Field(96, ge=16, description="Longest answer line of a figures question.")
    extraction_text_tokens: int = Field(192, ge=16, description="Longest answer to a question for sentences.")

    webhook_secret: SecretStr = Field(
        SecretStr(""),
        description="Signs webhooks: whsec_ and the base64 of 24 to 64 bytes. Two, space separated, sign both ways "
        "while a secret is changed.",
    )
    allow_private_webhooks: bool = Field(False, description="Deliver to private and loopback addresses.")
    webhook_schemes: str = Field("https,http", description="URL schemes that webhooks may use, comma separated.")
    webhook_timeout_s: float = Field(10.0, gt=0, le=120, description="Longest time of one delivery.")
    webhook_delays_s: tuple[float, ...] = Field(
        (5.0, 30.0, 120.0, 600.0, 3600.0), description="JSON list: waits before the second, third, … delivery."
    )
    metrics_port: int = Field(0, ge=0, le=65535, description="Port for Prometheus; 0 serves none.")
    metrics_host: str = Field("127.0.0.1", description="Address for Prometheus.")

    fake_step_ms: float = Field(2.0, ge=0, description="Time of one step of the fake engine.")
    fake_faults: bool = Field(False, description="Let prompts make the fake engine crash, hang or fail, for tests.")

    @field_validator("lanes", mode="before")
    @classmethod
    def _split_lanes(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))

    @field_validator("lanes")
    @classmethod
    def _check_lanes(cls, value: tuple[Lane, ...]) -> tuple[Lane, ...]:
        if not value:
            raise ValueError("name at least one lane")
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _check_secret(cls, value: SecretStr) -> SecretStr:
        if not all(_is_webhook_secret(secret) for secret in value.get_secret_value().split()):
            raise ValueError("must be whsec_ followed by the base64 of 24 to 64 random bytes")
        return value

    @property
    def max_claimed(self) -> int:
        """Jobs held at once: as many as run, and one for each sixteen that joins at the next end of another."""
        return self.max_rows + self.max_rows // ROWS_PER_JOB_AHEAD

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Every secret that signs."""
        return tuple(self.webhook_secret.get_secret_value().split())

    @property
    def webhook_policy(self) -> TargetPolicy:
        """The operator's rules for webhook addresses."""
        schemes = (scheme.strip() for scheme in self.webhook_schemes.lower().split(","))
        return TargetPolicy(self.allow_private_webhooks, frozenset(scheme for scheme in schemes if scheme))


def load_settings() -> WorkerSettings:
    """Read and check the environment; raises ConfigurationError in words that name the variables at fault."""
    try:
        return WorkerSettings()
    except ValidationError as error:
        faults = "; ".join(
            f"FINANCELLM_{str(fault['loc'][0]).upper() if fault['loc'] else 'SETTINGS'}: {fault['msg']}"
            for fault in error.errors(include_input=False)
        )
        raise ConfigurationError(f"The environment holds settings that cannot be used. {faults}.") from error


def _is_webhook_secret(secret: str) -> bool:
    if not secret.startswith(SECRET_PREFIX):
        return False
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        return False
    return len(key) in SECRET_BYTES
