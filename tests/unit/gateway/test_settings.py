"""What the gateway refuses to start with, and in which words."""

import hashlib
import os

import pytest

from api.__main__ import main
from api.settings import LOOPBACK_HOSTS, ApiSettings, check_exposure, load_settings
from common.errors import ConfigurationError
from worker.engine.registry import BUILDERS
from worker.settings import load_settings as load_worker_settings

DIGEST = hashlib.sha256(b"secret").hexdigest()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.com", ""])
def test_other_machines_need_a_key(host: str) -> None:
    """Given a host others can reach and no keys, when checked, then the error names both settings."""
    with pytest.raises(ConfigurationError, match=r"FINANCELLM_API_HOST.*FINANCELLM_API_KEY_HASHES"):
        check_exposure(ApiSettings(api_host=host))
    check_exposure(ApiSettings(api_host=host, api_key_hashes=f"alice={DIGEST}"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_none(host: str) -> None:
    """Given a loopback host, when checked without keys, then nothing is raised."""
    check_exposure(ApiSettings(api_host=host))


def test_an_open_host_ends_with_the_configuration_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given an open host without keys, when the program starts, then it says so in words and exits with 78."""
    monkeypatch.setenv("FINANCELLM_API_HOST", "0.0.0.0")
    assert main() == os.EX_CONFIG == 78
    said = capsys.readouterr().err
    assert "no API key is configured" in said
    assert "Traceback" not in said


def test_malformed_keys_are_refused_without_showing_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a key instead of its hash, when settings load, then the variable is named and the key is not shown."""
    monkeypatch.setenv("FINANCELLM_API_KEY_HASHES", "alice=my-plain-key")
    with pytest.raises(ConfigurationError, match="FINANCELLM_API_KEY_HASHES") as raised:
        load_settings()
    assert "my-plain-key" not in str(raised.value)


def test_hashes_stay_out_of_logs() -> None:
    """Given configured hashes, when settings are printed, then the hashes are not in the text."""
    assert DIGEST not in repr(ApiSettings(api_key_hashes=f"alice={DIGEST}"))


def test_the_platform_may_name_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given PORT alone, it counts; given our own variable too, ours wins."""
    monkeypatch.setenv("PORT", "9001")
    assert load_settings().api_port == 9001
    monkeypatch.setenv("FINANCELLM_API_PORT", "9002")
    assert load_settings().api_port == 9002


def test_hosts_are_checked_only_where_no_key_guards() -> None:
    """Given no keys, then only loopback names are answered; given keys, any; given a list, it and loopback."""
    assert "localhost" in (ApiSettings().allowed_hosts or ())
    assert ApiSettings(api_key_hashes=f"alice={DIGEST}").allowed_hosts is None
    listed = ApiSettings(api_allowed_hosts="a.example, B.example").allowed_hosts
    assert listed == LOOPBACK_HOSTS | {"a.example", "b.example"}
    assert ApiSettings(api_allowed_hosts="*").allowed_hosts is None


@pytest.mark.parametrize("engine", ["auto", *BUILDERS])
def test_gateway_and_worker_know_the_same_engines(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    """Given any engine that a worker can run, when it is set for the whole stack, then the gateway starts beside it."""
    monkeypatch.setenv("FINANCELLM_ENGINE", engine)
    assert load_settings().engine == load_worker_settings().engine == engine
