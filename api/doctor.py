"""Examines a machine: what FinanceLLM needs, what is there, and what to do about the difference."""

import importlib.util
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil
import redis
from rich.text import Text

from api.local_redis import find_redis_server, port_is_free
from api.settings import ApiSettings, load_settings
from common.errors import ConfigurationError, ModelFilesError
from common.model_files import ModelManifest

GIB = 1024**3
PREPARED_BYTES = 3 * GIB
WORKER_BYTES = 2 * GIB
# Redis scripts use commands that came with this version.
OLDEST_REDIS = (6, 2)
CPU_INFO = Path("/proc/cpuinfo")
CGROUP_CPU = Path("/sys/fs/cgroup/cpu.max")
CGROUP_MEMORY = Path("/sys/fs/cgroup/memory.max")
_REDIS_VARIABLE = "FINANCELLM_REDIS_URL"
# Each line needs the ones above it; the last that fits decides how fast the model runs.
_INSTRUCTION_SETS = (
    ("AVX2", {"avx2", "fma"}),
    ("AVX-512", {"avx512f", "avx512bw", "avx512vl"}),
    ("AVX-512 VNNI", {"avx512_vnni"}),
    ("AVX-512 BF16", {"avx512_bf16"}),
    ("AMX", {"amx_bf16", "amx_int8"}),
)


class Severity(StrEnum):
    """`wrong` must be changed, `slow` works but costs speed or comfort."""

    FINE = "fine"
    SLOW = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw; `advice` is empty where all is fine."""

    subject: str
    severity: Severity
    seen: str
    advice: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the finding as plain JSON types."""
        return {"subject": self.subject, "severity": self.severity, "seen": self.seen, "advice": self.advice}

    def as_text(self) -> Text:
        """Return the finding as lines for a person."""
        style = {Severity.FINE: "green", Severity.SLOW: "yellow", Severity.WRONG: "red"}[self.severity]
        text = Text.assemble((f"{self.severity:<6}", style), f"{self.subject}: {self.seen}")
        return text.append(f"\n      {self.advice}") if self.advice else text


def examine(settings: ApiSettings) -> list[Finding]:
    """Run every check, in the order in which things are needed."""
    checks: tuple[Callable[[], Finding], ...] = (
        check_python,
        lambda: check_engines(native_is_built(), importlib.util.find_spec("torch") is not None),
        lambda: check_instruction_sets(_text_of(CPU_INFO)),
        lambda: check_cores(os.cpu_count() or 1, _text_of(CGROUP_CPU)),
        lambda: check_memory(available_memory_bytes(), settings),
        lambda: check_disk(settings),
        lambda: check_model(settings),
        lambda: check_redis(settings),
        lambda: check_port(settings),
    )
    return [check() for check in checks]


def check_python() -> Finding:
    """Look at the Python version."""
    seen = platform.python_version()
    if (3, 11) <= sys.version_info < (3, 14):
        return Finding("Python", Severity.FINE, seen)
    return Finding("Python", Severity.WRONG, seen, "Python 3.11, 3.12 or 3.13 is needed; 3.11 is what is tested.")


def check_engines(native: bool, reference: bool) -> Finding:
    """Look at which engines are installed: the native one, and torch for the reference one."""
    if native:
        return Finding("Engine", Severity.FINE, "native")
    if reference:
        advice = "The native engine is several times faster: install a C++ compiler (Debian: g++) and run `make run`."
        return Finding("Engine", Severity.SLOW, "transformers", advice)
    advice = "`make run` builds the native engine, or installs torch where it cannot. The gateway alone needs neither."
    return Finding("Engine", Severity.WRONG, "none is installed", advice)


def native_is_built() -> bool:
    """Tell whether the compiled part of the native engine is installed, without importing it."""
    return importlib.util.find_spec("worker.engine.native._native") is not None


def check_instruction_sets(cpu_info: str) -> Finding:
    """Look at the vector instructions of this CPU, as /proc/cpuinfo lists them."""
    found = re.search(r"^flags\s*:\s*(.*)$", cpu_info, re.MULTILINE)
    if found is None:
        return Finding("CPU", Severity.SLOW, f"{platform.machine()}", "Its vector instructions could not be read.")
    flags = set(found[1].split())
    names = [name for name, needed in _INSTRUCTION_SETS if needed <= flags]
    if not names:
        return Finding("CPU", Severity.SLOW, "no AVX2", "Answers will be several times slower than on a CPU with AVX2.")
    return Finding("CPU", Severity.FINE, ", ".join(names))


def check_cores(cores: int, cpu_max: str) -> Finding:
    """Look at how many cores this process may use; `cpu_max` is the content of the cgroup's cpu.max."""
    quota, _, period = cpu_max.strip().partition(" ")
    if not quota.isdecimal() or not period.isdecimal():
        return Finding("Cores", Severity.FINE, f"{cores}, no container limit")
    limit = int(quota) / int(period)
    seen = f"{cores}, of which the container may use {limit:g}"
    if limit < 1:
        return Finding("Cores", Severity.SLOW, seen, "Give the worker at least one whole core.")
    return Finding("Cores", Severity.FINE, seen)


def available_memory_bytes() -> int:
    """Return what is free here, or what the container still allows if that is less."""
    limit = _text_of(CGROUP_MEMORY).strip()
    available = psutil.virtual_memory().available
    return min(available, int(limit)) if limit.isdecimal() else available


def check_memory(available_bytes: int, settings: ApiSettings) -> Finding:
    """Compare free memory with what one worker keeps resident."""
    seen = f"{available_bytes / GIB:.1f} GiB free"
    if available_bytes >= WORKER_BYTES or settings.engine == "fake":
        return Finding("Memory", Severity.FINE, seen)
    return Finding("Memory", Severity.WRONG, seen, f"One worker needs about {WORKER_BYTES / GIB:.0f} GiB.")


def check_disk(settings: ApiSettings) -> Finding:
    """Look at room in the data folder, and whether it can be written."""
    folder = _existing(settings.data_dir.absolute())
    if not os.access(folder, os.W_OK):
        advice = "Set FINANCELLM_DATA_DIR to a folder of your own."
        return Finding("Data folder", Severity.WRONG, f"{settings.data_dir} cannot be written", advice)
    free_bytes = shutil.disk_usage(folder).free
    seen = f"{settings.data_dir}, {free_bytes / GIB:.1f} GiB free"
    if free_bytes < PREPARED_BYTES and not settings.model_path.exists():
        advice = f"Preparing the model takes {PREPARED_BYTES / GIB:.0f} GiB: make room or set FINANCELLM_DATA_DIR."
        return Finding("Data folder", Severity.WRONG, seen, advice)
    return Finding("Data folder", Severity.FINE, seen)


def check_model(settings: ApiSettings) -> Finding:
    """Look at the prepared model's manifest and the sizes of its files; workers check the hashes."""
    if settings.engine == "fake":
        return Finding("Model", Severity.FINE, "none needed by the fake engine")
    try:
        manifest = ModelManifest.read(settings.model_path)
    except ModelFilesError as error:
        return Finding("Model", Severity.SLOW, error.message, "`financellm up` prepares it as its first step.")
    missing = [name for name in manifest.files if not (settings.model_path / name).is_file()]
    if missing:
        advice = "Run `financellm model prepare --force`."
        return Finding("Model", Severity.WRONG, f"{settings.model_path} lacks {', '.join(missing)}", advice)
    return Finding("Model", Severity.FINE, f"{manifest.name}, revision {manifest.revision}")


def check_redis(settings: ApiSettings) -> Finding:
    """Ask the configured Redis, or look for a server program to start."""
    if _REDIS_VARIABLE not in os.environ:
        try:
            return Finding("Redis", Severity.FINE, f"{find_redis_server()} will be started")
        except ConfigurationError as error:
            return Finding("Redis", Severity.WRONG, "no server", error.message)
    try:
        with redis.Redis.from_url(settings.redis_url, socket_timeout=5, socket_connect_timeout=5) as client:
            return judge_redis(client.info())
    except (redis.RedisError, OSError, ValueError) as error:
        advice = f"Start it, or unset {_REDIS_VARIABLE} to let `financellm up` start one."
        return Finding("Redis", Severity.WRONG, f"the one of {_REDIS_VARIABLE} does not answer: {error}", advice)


def judge_redis(info: dict[str, object]) -> Finding:
    """Judge a server by its INFO: version, append-only file, eviction."""
    version = str(info.get("redis_version", "0"))
    seen = f"version {version}"
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_REDIS:
        return Finding("Redis", Severity.WRONG, seen, "Redis 6.2 or newer is needed.")
    if info.get("maxmemory_policy", "noeviction") != "noeviction":
        advice = "Set maxmemory-policy noeviction: with any other, Redis drops accepted jobs when memory runs short."
        return Finding("Redis", Severity.WRONG, f"{seen}, policy {info['maxmemory_policy']}", advice)
    if not info.get("aof_enabled"):
        advice = "Set appendonly yes, or jobs accepted since the last snapshot are lost when Redis dies."
        return Finding("Redis", Severity.SLOW, f"{seen}, no append-only file", advice)
    return Finding("Redis", Severity.FINE, f"{seen}, append-only file, no eviction")


def check_port(settings: ApiSettings) -> Finding:
    """Look whether the api's port is free."""
    seen = f"{settings.api_host}:{settings.api_port}"
    if port_is_free(settings.api_port, settings.api_host):
        return Finding("Port", Severity.FINE, f"{seen} is free")
    advice = "If that is not FinanceLLM itself, choose another: `financellm up --port N` or FINANCELLM_API_PORT."
    return Finding("Port", Severity.SLOW, f"{seen} is in use", advice)


def examine_environment() -> list[Finding]:
    """Check the settings, and with settings that can be used everything else."""
    try:
        settings = load_settings()
    except ConfigurationError as error:
        return [Finding("Settings", Severity.WRONG, error.message, "Correct the environment variables named.")]
    return examine(settings)


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""
