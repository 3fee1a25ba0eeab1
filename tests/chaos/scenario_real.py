"""Jobs of the real model on the native engine while workers, gateways and Redis are killed."""

from pathlib import Path
from typing import Any

from common.settings import Settings
from tests.chaos.cluster import ROOT
from tests.chaos.plans import real_plan
from tests.chaos.report import figures, print_findings
from tests.chaos.run import run_plan

REAL_JOBS = 500
KEPT = ("seconds", "jobs", "batch_items", "faults", "lost", "doubles", "stale_writes", "replay_faults", "problems")
KEPT_TIMES = ("endings", "redelivered", "redelivered_late", "redelivery_p50_s", "redelivery_max_s", "recovery_s")


async def real(folder: Path, jobs: int = REAL_JOBS) -> dict[str, Any]:
    """Return what became of the jobs, or why there were none; `problems` is how many promises were broken."""
    model = ROOT / Settings().model_path
    if not (model / "packed.int8").is_file():
        return {"skipped": f"no packed model at {model}; make one with `financellm model prepare`"}
    plan = real_plan(jobs, model)
    findings = await run_plan(plan, folder)
    print_findings(plan, findings)
    found = figures(plan, findings)
    return {name: found[name] for name in (*KEPT, *KEPT_TIMES)}
