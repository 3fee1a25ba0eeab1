"""Settings of the gateway, on top of those every process shares."""

import ipaddress
import re
from dataclasses import dataclass
from functools import cached_property

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import SettingsConfigDict

from common.errors import ConfigurationError
from common.settings import Settings
from common.webhook_targets import TargetPolicy

LOCAL_CALLER = "local"
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
_LIMIT_ENTRY = re.compile(r"^([A-Za-z0-9._-]{1,64})=([0-9]{1,6})/([0-9]{1,9})$")
_KEY_ENTRY = re.compile(r"^([A-Za-z0-9._-]{1,64})=([0-9a-f]{64})$")


@dataclass(frozen=True, slots=True)
class CallerLimits:
    """Requests a minute and jobs that have not ended; 0 is no limit."""

    requests_per_minute: int
    open_jobs: int


@dataclass(frozen=True, slots=True)
class UploadPatience:
    """Longest silence between two pieces of an upload, and longest time for the whole."""

    idle_s: float
    whole_s: float


class ApiSettings(Settings):
    """What only the gateway needs."""

    model_config = SettingsConfigDict(populate_by_name=True, hide_input_in_errors=True)

    api_host: str = Field("127.0.0.1", description="Address to listen on; any but loopback needs API keys.")
    api_port: int = Field(
        8000,
        ge=0,
        le=65535,
        validation_alias=AliasChoices("FINANCELLM_API_PORT", "PORT"),
        description="Port to listen on; platforms set PORT.",
    )
    api_key_hashes: SecretStr = Field(
        SecretStr(""),
        description="Callers and the sha256 of their keys: caller=sha256hex,caller2=sha256hex. "
        "A caller may appear twice while its key is changed.",
    )
    api_requests_per_minute: int = Field(
        0, ge=0, le=1_000_000, description="Requests a caller may make, all its keys together; 0 for no limit."
    )
    api_max_open_jobs: int = Field(
        0, ge=0, description="Submitted jobs of a caller that have not ended, at most; 0 for no limit."
    )
    api_caller_limits: str = Field(
        "",
        description="Other limits for single callers: caller=REQUESTS_PER_MINUTE/OPEN_JOBS, comma separated.",
    )
    api_allowed_hosts: str = Field(
        "",
        description="Host header values to answer beside loopback names, comma separated; empty means loopback names "
        "alone while no keys are configured (this keeps web pages from reaching the service through DNS) and any name "
        "otherwise.",
    )
    api_trusted_proxies: str = Field(
        "",
        description="Addresses and networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, comma "
        "separated; empty believes nobody.",
    )

    max_body_bytes: int = Field(1_048_576, ge=1_024, description="Largest JSON request body.")
    max_upload_bytes: int = Field(209_715_200, ge=1_024, description="Largest uploaded file.")
    max_json_depth: int = Field(16, ge=2, le=200, description="Deepest nesting of a JSON request body.")
    body_timeout_s: float = Field(30.0, gt=0, description="Longest time a request body may take to arrive.")
    max_reports_upload_bytes: int = Field(
        2 * 2**30, ge=1_024, description="Reports sent in one request, and an archive unpacked."
    )
    max_archive_files: int = Field(5_000, ge=1, description="Most files in one zip archive.")
    upload_idle_timeout_s: float = Field(30.0, gt=0, description="Longest silence in an upload.")
    upload_timeout_s: float = Field(3600.0, gt=0, description="Longest time one upload may take in all.")
    max_wait_s: float = Field(60.0, gt=0, description="Longest wait of a Prefer: wait, and of a long poll up to 60.")
    chat_wait_s: float = Field(
        280.0, gt=0, description="Longest wait of a chat completion; some proxies end what is silent for five minutes."
    )
    max_listeners: int = Field(2_000, ge=1, description="Event streams and long polls open at once in one process.")
    max_caller_streams: int = Field(500, ge=1, description="Event streams of one caller open at once in one process.")
    event_stream_lifetime_s: float = Field(600.0, gt=0, description="A stream ends after this and asks to reconnect.")
    heartbeat_s: float = Field(15.0, gt=0, description="Time between comments that keep an event stream open.")
    notice_poll_s: float = Field(2.0, gt=0, description="How often listeners look for themselves, if a notice is lost.")
    shutdown_timeout_s: int = Field(10, ge=1, description="Longest time for open requests to end at SIGTERM.")

    allow_private_webhooks: bool = Field(False, description="Allow webhooks to private and loopback addresses.")
    webhook_schemes: str = Field("https,http", description="URL schemes that webhooks may use, comma separated.")

    @field_validator("api_key_hashes")
    @classmethod
    def _check_keys(cls, value: SecretStr) -> SecretStr:
        for entry in _split(value.get_secret_value()):
            if not _KEY_ENTRY.match(entry):
                raise ValueError("each entry must read caller=sha256hex, the caller of letters, digits, dot, dash, _")
        return value

    @field_validator("api_caller_limits")
    @classmethod
    def _check_limits(cls, value: str) -> str:
        for entry in _split(value):
            if not _LIMIT_ENTRY.match(entry):
                raise ValueError("each entry must read caller=REQUESTS_PER_MINUTE/OPEN_JOBS, such as alice=600/100")
        return value

    @field_validator("api_trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: str) -> str:
        for entry in _split(value):
            # A wildcard would believe the first address of the header, which is whatever the client wrote.
            ipaddress.ip_network(entry)
        return ",".join(_split(value))

    @property
    def key_hashes(self) -> tuple[tuple[str, bytes], ...]:
        """Pairs of caller and sha256 digest of one of its keys."""
        entries = (entry.partition("=") for entry in _split(self.api_key_hashes.get_secret_value()))
        return tuple((caller, bytes.fromhex(digest)) for caller, _, digest in entries)

    def limits_of(self, caller: str) -> CallerLimits:
        """Return what a caller may use: its own limits, else those of everybody."""
        return self._caller_limits.get(caller) or CallerLimits(self.api_requests_per_minute, self.api_max_open_jobs)

    @cached_property
    def _caller_limits(self) -> dict[str, CallerLimits]:
        entries = (_LIMIT_ENTRY.match(entry) for entry in _split(self.api_caller_limits))
        return {entry[1]: CallerLimits(int(entry[2]), int(entry[3])) for entry in entries if entry}

    @property
    def allowed_hosts(self) -> frozenset[str] | None:
        """Host names that may be asked for, None for any."""
        if self.api_allowed_hosts == "*" or (self.key_hashes and not self.api_allowed_hosts):
            return None
        return LOOPBACK_HOSTS | (set(_split(self.api_allowed_hosts.lower())) or {self.api_host.lower()})

    @property
    def upload_patience(self) -> UploadPatience:
        """How long uploads are waited for."""
        return UploadPatience(self.upload_idle_timeout_s, self.upload_timeout_s)

    @property
    def webhook_policy(self) -> TargetPolicy:
        """The operator's rules for webhook addresses."""
        return TargetPolicy(self.allow_private_webhooks, frozenset(_split(self.webhook_schemes.lower())))


def load_settings() -> ApiSettings:
    """Read and check the environment; raises ConfigurationError in words that name the variables at fault."""
    try:
        settings = ApiSettings()
    except ValidationError as error:
        faults = "; ".join(f"{_variable(fault['loc'])}: {fault['msg']}" for fault in error.errors(include_input=False))
        raise ConfigurationError(f"The environment holds settings that cannot be used. {faults}.") from error
    check_exposure(settings)
    return settings


def check_exposure(settings: ApiSettings) -> None:
    """Raise ConfigurationError if the service would be open to other machines without a key."""
    if settings.key_hashes or _is_loopback(settings.api_host):
        return
    raise ConfigurationError(
        f"FINANCELLM_API_HOST is {settings.api_host}, which other machines can reach, but no API key is configured. "
        "Set FINANCELLM_API_KEY_HASHES to caller=SHA256 (make a key with `openssl rand -hex 32` and its hash with "
        "`printf %s KEY | sha256sum`), or listen on 127.0.0.1."
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0]) if location else "settings"
    return name if name.isupper() else f"FINANCELLM_{name.upper()}"


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
