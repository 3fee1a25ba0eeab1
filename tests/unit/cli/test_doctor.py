"""What the doctor says of machines it cannot be run on here."""

import json
from pathlib import Path

import pytest

from api import doctor
from api.doctor import GIB, Severity
from api.settings import ApiSettings


@pytest.fixture
def settings(tmp_path: Path) -> ApiSettings:
    return ApiSettings(data_dir=tmp_path)


@pytest.mark.parametrize(
    ("flags", "severity", "seen"),
    [
        ("fpu sse2", Severity.SLOW, "no AVX2"),
        ("avx2 fma", Severity.FINE, "AVX2"),
        ("avx2 fma avx512f avx512bw avx512vl avx512_vnni", Severity.FINE, "AVX2, AVX-512, AVX-512 VNNI"),
    ],
)
def test_instruction_sets_are_named(flags: str, severity: Severity, seen: str) -> None:
    finding = doctor.check_instruction_sets(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t:\n")
    assert (finding.severity, finding.seen) == (severity, seen)


def test_a_cpu_that_lists_no_flags_is_no_failure() -> None:
    assert doctor.check_instruction_sets("").severity == Severity.SLOW


@pytest.mark.parametrize(
    ("cpu_max", "severity", "seen"),
    [
        ("", Severity.FINE, "8, no container limit"),
        ("max 100000\n", Severity.FINE, "8, no container limit"),
        ("250000 100000\n", Severity.FINE, "8, of which the container may use 2.5"),
        ("50000 100000\n", Severity.SLOW, "8, of which the container may use 0.5"),
    ],
)
def test_the_containers_quota_counts(cpu_max: str, severity: Severity, seen: str) -> None:
    finding = doctor.check_cores(8, cpu_max)
    assert (finding.severity, finding.seen) == (severity, seen)


def test_too_little_memory_is_wrong(settings: ApiSettings) -> None:
    assert doctor.check_memory(GIB, settings).severity == Severity.WRONG
    assert doctor.check_memory(8 * GIB, settings).severity == Severity.FINE


def test_a_containers_memory_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("1000\n")
    monkeypatch.setattr(doctor, "CGROUP_MEMORY", limit)
    assert doctor.available_memory_bytes() == 1000
    limit.write_text("max\n")
    assert doctor.available_memory_bytes() > 1000


@pytest.mark.parametrize(
    ("info", "severity", "word"),
    [
        ({"redis_version": "5.0.14"}, Severity.WRONG, "6.2"),
        ({"redis_version": "7.2.1", "maxmemory_policy": "allkeys-lru", "aof_enabled": 1}, Severity.WRONG, "noeviction"),
        ({"redis_version": "7.2.1", "maxmemory_policy": "noeviction", "aof_enabled": 0}, Severity.SLOW, "appendonly"),
        ({"redis_version": "7.2.1", "maxmemory_policy": "noeviction", "aof_enabled": 1}, Severity.FINE, ""),
    ],
)
def test_redis_is_judged_by_what_jobs_need(info: dict[str, object], severity: Severity, word: str) -> None:
    finding = doctor.judge_redis(info)
    assert finding.severity == severity
    assert word in finding.advice


def test_a_redis_that_is_away_is_wrong(settings: ApiSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINANCELLM_REDIS_URL", "redis://127.0.0.1:1/0")
    finding = doctor.check_redis(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))
    assert finding.severity == Severity.WRONG
    assert "does not answer" in finding.seen


def test_a_model_with_a_missing_file_is_wrong(settings: ApiSettings, tmp_path: Path) -> None:
    # Given no model, then that is only worth a note
    assert doctor.check_model(settings).severity == Severity.SLOW
    # When a manifest names a file that is not there
    manifest = {
        "name": "tiny",
        "base": "b",
        "base_sha256": "0",
        "adapter": None,
        "adapter_sha256": None,
        "revision": "r",
        "tokenizer_sha256": "0",
        "files": {"model.safetensors": "0"},
        "created_at": "2026-01-01T00:00:00Z",
    }
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text(json.dumps(manifest))
    # Then it must be repaired
    finding = doctor.check_model(settings)
    assert finding.severity == Severity.WRONG
    assert "model.safetensors" in finding.seen
    assert "--force" in finding.advice


def test_bad_settings_are_one_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINANCELLM_MAX_ATTEMPTS", "many")
    (finding,) = doctor.examine_environment()
    assert finding.severity == Severity.WRONG
    assert "FINANCELLM_MAX_ATTEMPTS" in finding.seen


def test_every_check_runs_on_this_machine(settings: ApiSettings) -> None:
    findings = doctor.examine(settings)
    assert len({finding.subject for finding in findings}) == len(findings) >= 9
    assert all(finding.as_text().plain.startswith(finding.severity) for finding in findings)
    assert all(finding.advice for finding in findings if finding.severity != Severity.FINE)
