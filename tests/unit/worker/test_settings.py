"""A worker's settings from the environment."""

import pytest

from common.errors import ConfigurationError
from common.jobs import Lane
from worker.settings import load_settings

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("LANES", "ENGINE", "MAX_ROWS", "WEBHOOK_SECRET", "WORKER_NAME", "LEASE_TTL_MS", "HEARTBEAT_INTERVAL_MS")
    for name in names:
        monkeypatch.delenv(f"FINANCELLM_{name}", raising=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_ROWS", "0"),
        ("LANES", "fast"),
        ("LANES", ""),
        ("WEBHOOK_SECRET", "hush-hush"),
        ("WEBHOOK_SECRET", "whsec_aHVzaA=="),
        ("ENGINE", "steam"),
        ("WORKER_NAME", "a b"),
        ("HEARTBEAT_INTERVAL_MS", "15000"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"FINANCELLM_{name}", value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert f"FINANCELLM_{name}" in caught.value.message
    assert "hush" not in caught.value.message


@pytest.mark.parametrize(("lease_ms", "heartbeat_ms"), [("5000", None), (None, "10001"), ("1000", "501")])
def test_a_lease_that_runs_out_between_heartbeats_is_refused(
    monkeypatch: pytest.MonkeyPatch, lease_ms: str | None, heartbeat_ms: str | None
) -> None:
    """Given a heartbeat of more than half a lease, set or left alone, when loaded, then both variables are named."""
    for name, value in (("LEASE_TTL_MS", lease_ms), ("HEARTBEAT_INTERVAL_MS", heartbeat_ms)):
        if value is not None:
            monkeypatch.setenv(f"FINANCELLM_{name}", value)
    with pytest.raises(ConfigurationError, match=r"FINANCELLM_HEARTBEAT_INTERVAL_MS.*FINANCELLM_LEASE_TTL_MS"):
        load_settings()


def test_two_heartbeats_fit_into_a_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a heartbeat of just half a lease, when loaded, then it is taken."""
    monkeypatch.setenv("FINANCELLM_LEASE_TTL_MS", "1000")
    monkeypatch.setenv("FINANCELLM_HEARTBEAT_INTERVAL_MS", "500")
    assert load_settings().heartbeat_interval_ms == 500


def test_lanes_are_read_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINANCELLM_LANES", "bulk, interactive,bulk")
    assert load_settings().lanes == (Lane.BULK, Lane.INTERACTIVE)


def test_names_differ_between_starts() -> None:
    assert load_settings().worker_name != load_settings().worker_name


def test_secrets_stay_out_of_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINANCELLM_WEBHOOK_SECRET", f"{SECRET} {SECRET}")
    settings = load_settings()
    assert settings.webhook_secrets == (SECRET, SECRET)
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(("rows", "claimed"), [(1, 1), (15, 15), (16, 17), (32, 34)])
def test_one_job_is_ahead_for_each_sixteen_rows(monkeypatch: pytest.MonkeyPatch, rows: int, claimed: int) -> None:
    monkeypatch.setenv("FINANCELLM_MAX_ROWS", str(rows))
    assert load_settings().max_claimed == claimed
