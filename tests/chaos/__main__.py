"""`python -m tests.chaos`: break the service in every way we know, and check what it promises."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench.report import print_line, print_table
from tests.chaos.caller import Caller, Tally
from tests.chaos.cluster import Cluster
from tests.chaos.faults import FAULTS, named
from tests.chaos.plans import full_plan
from tests.chaos.receivers import Receivers
from tests.chaos.report import figures, late, print_findings, problems
from tests.chaos.run import ChaosRun, Findings, Plan
from tests.chaos.scenario_fairness import fairness
from tests.chaos.scenario_listeners import listeners
from tests.chaos.scenario_overload import overload
from tests.chaos.scenario_real import REAL_JOBS, real

# What a full run needs after its load: the last recoveries, the scenarios, and the time that results are kept.
AFTER_LOAD_S = 330.0
REAL_S = 240.0
LEAST_LOAD_S = 60.0
Scenario = Callable[[Path], Awaitable[dict[str, Any]]]
SCENARIOS: dict[str, Scenario] = {"fairness": fairness, "overload": overload, "listeners": listeners, "real": real}


def main() -> int:
    """Run, print tables and the JSON line; the exit code is 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--jobs", type=int, default=10_000, help="jobs of the load, a fifth of them batch items; 0 for scenarios only"
    )
    parser.add_argument("--real-jobs", type=int, default=REAL_JOBS, help="jobs of the scenario `real`")
    parser.add_argument("--minutes", type=float, default=20.0, help="about how long all of it may take")
    parser.add_argument("--faults", default="all", help=f"comma separated: {', '.join(FAULTS)}")
    parser.add_argument("--scenarios", default="all", help=f"all, none, or of {', '.join(SCENARIOS)}")
    parser.add_argument("--folder", type=Path, help="where logs and Redis data go, kept afterwards")
    options = parser.parse_args()
    try:
        scenarios = _scenarios(options.scenarios)
        if "real" in scenarios:
            scenarios["real"] = partial(real, jobs=options.real_jobs)
        after_load_s = AFTER_LOAD_S + (REAL_S if "real" in scenarios else 0.0)
        load_s = max(LEAST_LOAD_S, 60 * options.minutes - after_load_s)
        plan = full_plan(options.jobs, load_s, named(options.faults))
    except ValueError as error:
        parser.error(str(error))
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        return asyncio.run(_run(plan, scenarios, options.folder))
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_run(plan, scenarios, Path(folder)))


async def _run(plan: Plan, scenarios: dict[str, Scenario], folder: Path) -> int:
    if not plan.jobs:
        found = {name: await scenario(_below(folder, name)) for name, scenario in scenarios.items()}
        _print_scenarios(found)
        print_line("chaos", **found)
        return 1 if _broken(found) else 0
    findings, found = await _break_everything(plan, scenarios, folder)
    print_findings(plan, findings)
    _print_scenarios(found)
    print_line("chaos", **figures(plan, findings), **found)
    return 1 if problems(findings) or late(plan, findings) or _broken(found) else 0


def _print_scenarios(found: dict[str, dict[str, Any]]) -> None:
    for name, values in found.items():
        print_table(name.capitalize(), ("figure", "value"), list(values.items()))


def _broken(found: dict[str, dict[str, Any]]) -> bool:
    return any(values.get("problems") or values.get("redelivered_late") for values in found.values())


async def _break_everything(
    plan: Plan, scenarios: dict[str, Scenario], folder: Path
) -> tuple[Findings, dict[str, dict[str, Any]]]:
    """Run the plan; while its results expire, run the scenarios on clusters of their own."""
    async with (
        Cluster(_below(folder, "faults"), plan.workers, 2, plan.env(), plan.disk_mb) as cluster,
        Receivers() as receivers,
        Caller(cluster.urls, "alice", Tally()) as caller,
    ):
        run = ChaosRun(plan, cluster, caller, receivers)
        findings = await run.run()
        expiring = asyncio.create_task(run.wait_for_expiry())
        found = {name: await scenario(_below(folder, name)) for name, scenario in scenarios.items()}
        await expiring
    return findings, found


def _scenarios(names: str) -> dict[str, Scenario]:
    if names in {"all", "none"}:
        return dict(SCENARIOS) if names == "all" else {}
    chosen = [name.strip() for name in names.split(",")]
    if unknown := [name for name in chosen if name not in SCENARIOS]:
        raise ValueError(f"no scenario is called {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    return {name: SCENARIOS[name] for name in chosen}


def _below(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir(exist_ok=True)
    return path


if __name__ == "__main__":
    sys.exit(main())
