"""Thread counts from affinity and cgroup quotas."""

import os
from pathlib import Path

import pytest

from common.cpu_quota import usable_cpus


@pytest.fixture(autouse=True)
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process run on eight CPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


@pytest.mark.parametrize(
    ("quota", "expected"), [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), ("1600000 100000", 8)]
)
def test_version_2_quota(tmp_path: Path, quota: str, expected: int) -> None:
    """Given cpu.max, when asked, then whole CPUs of the quota count, at least one, at most the affinity."""
    membership = tmp_path / "cgroup"
    membership.write_text("0::/\n", encoding="utf-8")
    (tmp_path / "cpu.max").write_text(quota, encoding="utf-8")
    assert usable_cpus(tmp_path, membership) == expected


def test_a_parent_group_limits_its_children(tmp_path: Path) -> None:
    """Given a tighter quota above the process's group, when asked, then the tighter one counts."""
    membership = tmp_path / "cgroup"
    membership.write_text("0::/a/b\n", encoding="utf-8")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "cpu.max").write_text("300000 100000", encoding="utf-8")
    (tmp_path / "a" / "b" / "cpu.max").write_text("max 100000", encoding="utf-8")
    assert usable_cpus(tmp_path, membership) == 3


def test_version_1_quota_and_absent_files(tmp_path: Path) -> None:
    """Given a version 1 group, when asked, then its quota counts; without any file the affinity does."""
    membership = tmp_path / "cgroup"
    membership.write_text("4:cpu,cpuacct:/job\n3:memory:/job\n", encoding="utf-8")
    assert usable_cpus(tmp_path, membership) == 8
    (tmp_path / "cpu" / "job").mkdir(parents=True)
    (tmp_path / "cpu" / "job" / "cpu.cfs_quota_us").write_text("400000", encoding="utf-8")
    (tmp_path / "cpu" / "job" / "cpu.cfs_period_us").write_text("100000", encoding="utf-8")
    assert usable_cpus(tmp_path, membership) == 4
    assert usable_cpus(tmp_path, tmp_path / "absent") == 8
