"""Several runs of a sweep in parallel worker processes.

A worker caches its network and targets from one run to the next. It receives jobs and sends events through a pipe.
When the parent process closes the pipe or dies, the worker writes a checkpoint and exits.
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
    """Execute jobs in ``jobs`` processes. Closing the iterator stops the active runs and writes their checkpoints.

    Args:
        queue: in the order of execution.
        limits: of each process.
    """
    pending = deque(queue)
    workers: dict[Connection, tuple[SpawnProcess, Job]] = {}
    try:
        for _ in range(min(jobs, len(pending))):
            _start_worker(pending.popleft(), limits, workers)
        while workers:
            for pipe in cast(list[Connection], wait(list(workers))):
                process, job = workers[pipe]
                try:
                    event: Event = pipe.recv()
                except (EOFError, OSError):
                    process.join()
                    del workers[pipe]
                    pipe.close()
                    message = f"its process ended with code {process.exitcode}, perhaps for lack of memory"
                    event = Event(job.variant.name, "failed", notes=(message,))
                    if pending:
                        _start_worker(pending.popleft(), limits, workers)
                else:
                    if event.ended:
                        _assign_next(pipe, pending, workers)
                yield event
    finally:
        for pipe in workers:
            pipe.close()
        for process, _ in workers.values():
            process.join()


def _start_worker(job: Job, limits: Limits, workers: dict[Connection, tuple[SpawnProcess, Job]]) -> None:
    """Start a worker process with its first job."""
    # Not fork: torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pipe: Any = context.Pipe()  # on Windows its ends have another class
    ours, theirs = pipe
    process = context.Process(target=_work, args=(theirs, limits), name=f"impasto {job.variant.name}")
    process.start()
    theirs.close()
    ours.send(job)
    workers[ours] = process, job


def _assign_next(
    pipe: Connection, pending: deque[Job], workers: dict[Connection, tuple[SpawnProcess, Job]]
) -> None:
    """Send the next job to an idle worker; without one, end the worker."""
    process, _ = workers[pipe]
    if pending:
        job = pending.popleft()
        pipe.send(job)
        workers[pipe] = process, job
    else:
        del workers[pipe]
        pipe.close()
        process.join()


def _work(pipe: Connection, limits: Limits) -> None:
    """Main function of a worker: execute jobs until the pipe is closed."""
    # Ctrl-C reaches all processes of a terminal; the parent process decides what happens.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if limits.threads is not None:
        torch.set_num_threads(limits.threads)
    shared = SessionCache()
    with suppress(EOFError, OSError):
        while True:
            with closing(run_job(pipe.recv(), limits, shared)) as events:
                for event in events:
                    pipe.send(event)
