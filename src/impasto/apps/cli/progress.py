"""Progress on standard error: live bars on a terminal, otherwise a plain line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import Progress, TaskID

from impasto.assembly.device import peak_memory
from impasto.engine.step import Step
from impasto.jobs.job import Event
from impasto.text import duration
from impasto.transfer.progress_bar import MEASURING, ProgressBar, new_bars, status, time_left
from impasto.transfer.result import Result
from impasto.transfer.session import Session


class Reporter(Protocol):
    """Shows the progress of a session."""

    def note(self, text: str) -> None: ...

    def download(self, done: int, total: int | None) -> None: ...

    def measuring(self) -> None: ...

    def start(self, session: Session) -> None: ...

    def step(self, step: Step) -> None: ...

    def count(self, what: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` steps of the task ``what`` are done."""


@contextmanager
def reporter(*, quiet: bool) -> Iterator[Reporter]:
    """A silent, live or plain reporter, depending on ``quiet`` and on whether standard error is a terminal."""
    if quiet:
        yield Silent()
    elif sys.stderr.isatty():
        with ProgressBar(transient=True) as live:
            yield live
    else:
        yield Plain()


@contextmanager
def counter(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A function that shows progress, to be called with (done, total)."""
    if quiet:
        yield lambda done, total: None
    elif sys.stderr.isatty():
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(what)
            yield lambda done, total: progress.update(task, completed=done, total=total)
    else:
        last_write = time.monotonic()

        def count(done: int, total: int) -> None:
            nonlocal last_write
            if time.monotonic() - last_write > Plain.every:
                last_write = time.monotonic()
                sys.stderr.write(f"{what}: {done} of {total}\n")

        yield count


class Silent:
    """Shows nothing."""

    def note(self, text: str) -> None: ...

    def download(self, done: int, total: int | None) -> None: ...

    def measuring(self) -> None: ...

    def start(self, session: Session) -> None: ...

    def step(self, step: Step) -> None: ...

    def count(self, what: str, done: int, total: int) -> None: ...


class Plain:
    """Writes a line at the start and the end of each level, and every few seconds in between."""

    every = 5.0

    def __init__(self) -> None:
        self._last_write = 0.0
        self._session: Session | None = None

    def note(self, text: str) -> None:
        self._write(f"note: {text}")

    def download(self, done: int, total: int | None) -> None:
        if time.monotonic() - self._last_write > self.every or done == total:
            self._write(
                f"downloading weights: {done / 1e6:.0f} MB" + (f" of {total / 1e6:.0f} MB" if total else "")
            )

    def measuring(self) -> None:
        self._write(MEASURING)

    def start(self, session: Session) -> None:
        self._session = session
        self._started = time.monotonic()
        sizes = " -> ".join(f"{level.size[1]}x{level.size[0]}" for level in session.levels)
        self._write(f"painting {sizes} on {session.device} in {session.precision}")

    def step(self, step: Step) -> None:
        for note in step.notes:
            self.note(note)
        ends = step.iteration == step.iterations or step.done == step.planned
        if step.iteration == 1 or ends or time.monotonic() - self._last_write > self.every:
            elapsed = time.monotonic() - self._started
            memory = peak_memory(self._session.device) / 1e9 if self._session else 0.0
            self._write(
                f"level {step.level + 1}/{step.levels} iteration {step.done}/{step.planned} "
                f"{status(step)} · {duration(elapsed)} so far · {memory:.1f} GB"
            )

    def count(self, what: str, done: int, total: int) -> None:
        if done in (0, total) or time.monotonic() - self._last_write > self.every:
            self._write(f"{what} {done}/{total}")

    def _write(self, line: str) -> None:
        self._last_write = time.monotonic()
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


class SweepReporter(Protocol):
    """Shows the progress of a sweep."""

    def download(self, done: int, total: int | None) -> None: ...

    def event(self, event: Event) -> None: ...


@contextmanager
def sweep_reporter(names: Sequence[str], *, quiet: bool) -> Iterator[SweepReporter]:
    """A silent, live or plain reporter, depending on ``quiet`` and on whether standard error is a terminal.

    Args:
        names: of the runs to execute.
    """
    if quiet:
        yield SilentSweep()
    elif sys.stderr.isatty():
        with LiveSweep(names) as live:
            yield live
    else:
        yield PlainSweep(names)


class SilentSweep:
    """Writes only the errors of failed runs."""

    def download(self, done: int, total: int | None) -> None: ...

    def event(self, event: Event) -> None:
        if event.status == "failed":
            sys.stderr.write(f"failed: {event.name}: {'; '.join(event.notes)}\n")


class PlainSweep:
    """Writes a line at the start and the end of each run, and every few seconds in between."""

    every = 5.0

    def __init__(self, names: Sequence[str]) -> None:
        self._places = {name: place for place, name in enumerate(names, start=1)}
        self._last_write = 0.0

    def download(self, done: int, total: int | None) -> None:
        if time.monotonic() - self._last_write > self.every or done == total:
            self._last_write = time.monotonic()
            of = f" of {total / 1e6:.0f} MB" if total else ""
            sys.stderr.write(f"downloading weights: {done / 1e6:.0f} MB{of}\n")

    def event(self, event: Event) -> None:
        if (
            event.status == "painting"
            and time.monotonic() - self._last_write < self.every
            and not event.notes
        ):
            return
        self._last_write = time.monotonic()
        sys.stderr.write(f"{self._places[event.name]}/{len(self._places)} {_line(event)}\n")
        sys.stderr.flush()


class LiveSweep:
    """Shows one bar for the sweep, and one for each active run."""

    def __init__(self, names: Sequence[str]) -> None:
        self._bars = new_bars(transient=True)
        self._all = self._bars.add_task("pictures", total=len(names), status="")
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> LiveSweep:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def download(self, done: int, total: int | None) -> None:
        of = f" of {total / 1e6:.0f} MB" if total else ""
        status = "" if done == total else f"downloading weights: {done / 1e6:.0f} MB{of}"
        self._bars.update(self._all, status=status)

    def event(self, event: Event) -> None:
        if event.ended:
            if event.name in self._tasks:
                self._bars.remove_task(self._tasks.pop(event.name))
            self._bars.advance(self._all)
            self._bars.console.print(_line(event), highlight=False, markup=False, soft_wrap=True)
            return
        if event.name not in self._tasks:
            self._tasks[event.name] = self._bars.add_task(event.name, total=event.planned, status="")
        loss = "" if event.loss is None else f"loss {event.loss:.4g}"
        words = " · ".join(filter(None, (loss, time_left(event.seconds_left))))
        self._bars.update(self._tasks[event.name], completed=event.done, total=event.planned, status=words)


def _line(event: Event) -> str:
    """An event in one line."""
    doing = {"begun": "begun", "painting": "iteration", "done": "done", "failed": "failed"}[event.status]
    parts = [f"{event.name}: {doing}"]
    if event.status == "painting":
        parts.append(f"{event.done}/{event.planned}")
    if event.loss is not None:
        parts.append(f"loss {event.loss:.4g}")
    if event.seconds_left is not None:
        parts.append(time_left(event.seconds_left))
    if event.notes:
        parts.append(f"({'; '.join(event.notes)})")
    return " ".join(parts)


def size_note(session: Session) -> str | None:
    """What to say where no size was given: the default one; None where it is the photograph's."""
    height, width = session.size
    own = max(session.content.shape[-2:])
    if own == max(height, width):
        return None
    return f"{max(height, width)} pixels on the long side (your photograph has {own}; --size 0 keeps them)"


def losses_in_words(result: Result) -> str:
    """The loss of the saved picture, and that of the last iteration where it differs, with the reason."""
    saved, last = f"{result.loss:.4g}", f"{result.last_loss:.4g}"
    if saved == last:
        return f"loss {saved}"
    reasons = {"at the size reached": result.stopped, "with the margin": result.recipe.margin > 0}
    why = (
        ", ".join(reason for reason, holds in reasons.items() if holds) or "before its step and the rounding"
    )
    return f"loss {saved} as saved ({last} at the last iteration, {why})"
