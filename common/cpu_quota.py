"""How many threads this process may keep busy: its CPU affinity, cut by the cgroup quota of a container."""

import os
from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")


def usable_cpus(root: Path = CGROUP_ROOT, membership: Path = Path("/proc/self/cgroup")) -> int:
    """Return the whole CPUs of affinity and quota together, at least one.

    Quotas follow the kernel's cgroup-v2.rst (cpu.max) and, for v1, sched-bwc.rst (cpu.cfs_quota_us).
    """
    affinity = len(os.sched_getaffinity(0))
    quota = min(_quotas(root, membership), default=float(affinity))
    return max(1, min(affinity, int(quota)))


def _quotas(root: Path, membership: Path) -> list[float]:
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = []
    for line in lines or ["0::/"]:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = root / "cpu" if controllers else root
        # A container may see the host's path or its own root; every level above limits the ones below.
        inner = base / path.lstrip("/")
        for folder in {inner, *inner.parents, base}:
            if folder == base or base in folder.parents:
                found += [quota for quota in (_quota_v2(folder), _quota_v1(folder)) if quota is not None]
    return found


def _quota_v2(folder: Path) -> float | None:
    words = _words(folder / "cpu.max")
    if len(words) != 2 or words[0] == "max":
        return None
    return int(words[0]) / int(words[1])


def _quota_v1(folder: Path) -> float | None:
    quota, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
    if not quota or not period or int(quota[0]) <= 0:
        return None
    return int(quota[0]) / int(period[0])


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []
