"""A real Prometheus with the configuration that compose ships, on loopback."""

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import httpx
import yaml

from tests.support.observability import FOLDER
from tests.support.redis_process import free_port

SCRAPE_INTERVAL_S = 2
WAIT_S = 120


def find_prometheus() -> str | None:
    """Return the program, None where it is not installed."""
    return shutil.which("prometheus")


def on_loopback(ports: Mapping[str, int], key_file: Path) -> dict[str, Any]:
    """Return the shipped configuration with what compose's network and secrets give put in by hand.

    `ports` holds a port for each of its jobs; it looks more often than in production.
    """
    config: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))
    config["global"] = dict.fromkeys(config["global"], f"{SCRAPE_INTERVAL_S}s")
    config["rule_files"] = [str(FOLDER / Path(path).name) for path in config["rule_files"]]
    for job in config["scrape_configs"]:
        del job["dns_sd_configs"]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{ports[job['job_name']]}"]}]
        if "authorization" in job:
            job["authorization"]["credentials_file"] = str(key_file)
    return config


class PrometheusProcess:
    """Scrapes and evaluates from entry to exit of the block; queries may name any moment between."""

    def __init__(self, program: str, folder: Path, config: Mapping[str, Any]) -> None:
        port = free_port()
        (folder / "prometheus.yml").write_text(yaml.safe_dump(dict(config)), "utf-8")
        self._command = [
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        self._log_path = folder / "prometheus.log"
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30)

    def __enter__(self) -> Self:
        self._log = self._log_path.open("wb")
        self._process = subprocess.Popen(self._command, stdout=self._log, stderr=self._log)
        try:
            self.wait_until("the start of Prometheus", lambda: self.query("vector(1)") != [])
        except BaseException:
            # Nobody leaves a block that was never entered.
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._log is not None:
            self._log.close()
        self._client.close()

    def query(self, expression: str, at_s: float | None = None) -> list[dict[str, Any]]:
        """Return the series of an expression now or at a moment in seconds since 1970."""
        parameters = {"query": expression} | ({} if at_s is None else {"time": f"{at_s:.3f}"})
        series: list[dict[str, Any]] = self._get("/query", parameters)["result"]
        return series

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule with its health, as last evaluated."""
        return [rule for group in self._get("/rules", {})["groups"] for rule in group["rules"]]

    def wait_for_scrapes(self, more: int) -> None:
        """Wait until every target was scraped well so many more times."""
        before = self._scrapes()
        self.wait_until(f"{more} more scrapes", lambda: self._scrapes() >= before + more)

    def wait_until(self, what: str, happened: Callable[[], bool]) -> None:
        """Wait for something; raises TimeoutError with the log where it does not happen."""
        deadline_s = time.monotonic() + WAIT_S
        while time.monotonic() < deadline_s:
            try:
                if happened():
                    return
            except httpx.TransportError:
                if self._process is None or self._process.poll() is not None:
                    break
            time.sleep(0.2)
        raise TimeoutError(f"{what}: not within {WAIT_S} s\n{self._log_path.read_text('utf-8')[-2_000:]}")

    def _scrapes(self) -> int:
        found = self.query("min(sum_over_time(up[1h]))")
        return int(found[0]["value"][1]) if found else 0

    def _get(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        response = self._client.get(path, params=parameters)
        assert response.status_code in {200, 503}, response.text
        if response.status_code == 503:
            raise httpx.ConnectError("Prometheus is starting")
        data: dict[str, Any] = response.json()["data"]
        return data
