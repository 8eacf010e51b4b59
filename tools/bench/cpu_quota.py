"""A control group with the share of a CPU that Lambda gives to a function of some memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.capacity import MEMORY_MB_PER_CPU

PERIOD_US = 20_000  # short, so that a throttled batch of some 10 ms waits as it would in Lambda


@contextmanager
def cpu_quota(memory_mb: int, root: Path = Path("/sys/fs/cgroup")) -> Iterator[Path | None]:
    """Make the group and yield the file that takes the ids of its processes.

    Yields None where the system does not allow it (no Linux, no root, no cpu controller).
    """
    quota_us = PERIOD_US * memory_mb // MEMORY_MB_PER_CPU
    if (root / "cgroup.controllers").exists():  # version 2
        group = root / f"handler-benchmark-{os.getpid()}"
        limits = {"cpu.max": f"{quota_us} {PERIOD_US}"}
    else:
        group = root / "cpu" / f"handler-benchmark-{os.getpid()}"
        limits = {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(quota_us)}
    try:
        group.mkdir()
    except OSError:
        yield None
        return
    try:
        for name, value in limits.items():
            (group / name).write_text(value)
        yield group / "cgroup.procs"
    finally:
        group.rmdir()
