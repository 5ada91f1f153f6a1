"""Detects load by other processes, which makes timings on this machine unreliable."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import NamedTuple

# Shortest and longest interval in seconds. The system's counters have a resolution of a hundredth of a second.
_LEAST, _MOST = 0.1, 3.0
# Share of the threads' time that must have been available to them.
_FREE = 0.8


class CpuSample(NamedTuple):
    """A sample of CPU time counters, in seconds.

    Attributes:
        time: wall-clock time.
        process: CPU time of this process, over all cores.
        total: CPU time of all processes, over all cores.
    """

    time: float
    process: float
    total: float


_lock = threading.Lock()
_samples: deque[CpuSample] = deque(maxlen=64)


def take_sample() -> CpuSample:
    """Record a sample, which :func:`disturbed` compares with later ones."""
    import psutil

    spent = psutil.cpu_times()._asdict()
    # "user" already includes the time of virtual machines, "guest" and "guest_nice".
    working = sum(spent.values()) - sum(
        spent.get(name, 0.0) for name in ("idle", "iowait", "guest", "guest_nice")
    )
    now = CpuSample(time.monotonic(), time.process_time(), working)
    with _lock:
        _samples.append(now)
    return now


def disturbed(threads: int) -> bool:
    """Whether fewer than ``threads`` cores were available to this process; False without a recent sample.

    The interval starts at the first sample of the last three seconds.
    """
    now = take_sample()
    with _lock:
        before = [each for each in _samples if _LEAST <= now.time - each.time <= _MOST]
    return bool(before) and not free_for(threads, before[0], now, cores=os.cpu_count() or 1)


def free_for(threads: int, first: CpuSample, last: CpuSample, *, cores: int) -> bool:
    """Whether ``threads`` cores were available to this process between two samples."""
    others = (last.total - first.total) - (last.process - first.process)
    return cores - others / (last.time - first.time) >= _FREE * min(threads, cores)
