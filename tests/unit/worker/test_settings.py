"""A worker's settings from the environment."""

import pytest

from common.errors import ConfigurationError
from common.jobs import Lane
from worker.settings import load_settings

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LANES", "ENGINE", "MAX_ROWS", "WEBHOOK_SECRET", "WORKER_NAME"):
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
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"FINANCELLM_{name}", value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert f"FINANCELLM_{name}" in caught.value.message
    assert "hush" not in caught.value.message


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
