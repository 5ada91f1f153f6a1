"""What is free of a machine, from what it counts."""

from __future__ import annotations

import os
import threading
import time

import pytest

from impasto import busy
from impasto.busy import CpuSample, disturbed, free_for, take_sample


@pytest.mark.parametrize(
    ("threads", "cores", "own", "others", "free"),
    [
        (2, 2, 2.0, 0.0, True),
        (2, 2, 1.8, 0.2, True),  # a browser that plays music
        (2, 2, 1.0, 1.0, False),  # somebody else's picture
        (1, 2, 1.0, 1.0, True),
        (1, 2, 0.4, 1.6, False),
        (2, 64, 2.0, 40.0, True),  # a large machine that many share
        (16, 8, 8.0, 0.0, True),  # more threads than there are cores
        (16, 8, 4.0, 4.0, False),
    ],
)
def test_free_for(threads: int, cores: int, own: float, others: float, free: bool) -> None:
    first, last = CpuSample(100.0, 7.0, 50.0), CpuSample(102.0, 7.0 + 2 * own, 50.0 + 2 * (own + others))
    assert free_for(threads, first, last, cores=cores) is free


def test_looks_back_as_far_as_three_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = take_sample()
    own = now.process - 1.0  # all that was computed in the last second was ours
    for before, is_disturbed in (
        ([], False),  # nothing is known
        ([CpuSample(now.time - 0.01, own, 0.0)], False),  # too little is
        ([CpuSample(now.time - 60.0, own, 0.0)], False),  # too long ago
        ([CpuSample(now.time - 1.0, own, now.total - 1.0)], False),
        ([CpuSample(now.time - 1.0, own, now.total - 1.0 - 2 * (os.cpu_count() or 1))], True),
    ):
        monkeypatch.setattr(busy, "_samples", list(before))
        assert disturbed(os.cpu_count() or 1) is is_disturbed


def test_counts_what_this_process_computes() -> None:
    first, until = take_sample(), time.monotonic() + 0.3
    while time.monotonic() < until:
        pass
    last = take_sample()
    assert last.process - first.process > 0.1
    assert last.total - first.total > 0.1


def test_any_thread_may_take_sample() -> None:
    threads = [threading.Thread(target=lambda: [take_sample() for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not disturbed(0)
