"""Several runs of a sweep at once, each in a process of its own.

A process keeps its network and targets from one run to the next. It is told what to paint through a pipe, and tells
how it goes; when the pipe is closed it keeps what it has and ends, whatever became of the one who closed it.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, cast

import torch

from impasto.jobs.job import Event, Job, Limits, run_job
from impasto.transfer.resources import SessionCache


def run_jobs(queue: Sequence[Job], *, jobs: int, limits: Limits) -> Generator[Event, None, None]:
    """Paint runs, so many at once. Closing the iterator stops those under way, and keeps them.

    Args:
        queue: in the order they are begun.
        limits: of each process.
    """
    left = deque(queue)
    working: dict[Connection, tuple[SpawnProcess, Job]] = {}
    try:
        for _ in range(min(jobs, len(left))):
            _begin(left.popleft(), limits, working)
        while working:
            for pipe in cast(list[Connection], wait(list(working))):
                process, job = working[pipe]
                try:
                    event: Event = pipe.recv()
                except (EOFError, OSError):
                    process.join()
                    del working[pipe]
                    pipe.close()
                    said = f"its process ended with code {process.exitcode}, perhaps for lack of memory"
                    event = Event(job.variant.name, "failed", notes=(said,))
                    if left:
                        _begin(left.popleft(), limits, working)
                else:
                    if event.ended:
                        _next(pipe, left, working)
                yield event
    finally:
        for pipe in working:
            pipe.close()
        for process, _ in working.values():
            process.join()


def _begin(job: Job, limits: Limits, working: dict[Connection, tuple[SpawnProcess, Job]]) -> None:
    """A new process, with something to paint."""
    # Not fork: torch's threads do not survive it.
    context = multiprocessing.get_context("spawn")
    pipe: Any = context.Pipe()  # Windows has another class for its ends
    ours, theirs = pipe
    process = context.Process(target=_work, args=(theirs, limits), name=f"impasto {job.variant.name}")
    process.start()
    theirs.close()
    ours.send(job)
    working[ours] = process, job


def _next(pipe: Connection, left: deque[Job], working: dict[Connection, tuple[SpawnProcess, Job]]) -> None:
    """Something else to paint for a process that is done, or its leave."""
    process, _ = working[pipe]
    if left:
        job = left.popleft()
        pipe.send(job)
        working[pipe] = process, job
    else:
        del working[pipe]
        pipe.close()
        process.join()


def _work(pipe: Connection, limits: Limits) -> None:
    """What a process does until its pipe is closed."""
    # Ctrl-C reaches all processes of a terminal; the one that began us says what is to be done.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if limits.threads is not None:
        torch.set_num_threads(limits.threads)
    shared = SessionCache()
    with suppress(EOFError, OSError):
        while True:
            with closing(run_job(pipe.recv(), limits, shared)) as events:
                for event in events:
                    pipe.send(event)
