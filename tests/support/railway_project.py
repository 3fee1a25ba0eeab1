"""The Railway project of this repository as the graph its own SDK makes of it; needs no account and no network."""

import importlib.util
from pathlib import Path
from typing import Any

import railway_sdk

ROOT = Path(__file__).resolve().parents[2]

Node = dict[str, Any]


def railway_graph() -> dict[str, Node]:
    """Evaluate .railway/railway.py and return every resource by its address, as in `service.api`."""
    spec = importlib.util.spec_from_file_location("railway_project", ROOT / ".railway" / "railway.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    described = module.main(railway_sdk.create_railway_context(environment="production")).to_graph()
    return {node["address"]: node for node in described["resources"]}
