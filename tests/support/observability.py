"""What `.observability` ships: alert rules, and the dashboard's panels with their queries."""

import json
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[2] / ".observability"
DASHBOARD = FOLDER / "grafana" / "dashboards" / "financellm.json"


def alert_rules() -> list[dict[str, Any]]:
    """Return every alert rule."""
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Return every panel of the dashboard."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return found


def panel_queries() -> list[tuple[str, str]]:
    """Return the title of the panel and the query, with the dashboard's variables filled in, of every query."""
    return [(panel["title"], _filled_in(target["expr"])) for panel in panels() for target in panel["targets"]]


def _filled_in(query: str) -> str:
    return query.replace("$__rate_interval", "5m").replace("$usd_per_worker_hour", "0.12")
