"""A progress bar on a terminal or in a notebook, for ``progress=True``."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from impasto.engine.step import Step
from impasto.text import duration
from impasto.transfer.session import Session


class ProgressBar:
    """One line: the level's size, a bar, iterations, loss and the time left. Use it as a context manager."""

    def __init__(self) -> None:
        # In a notebook rich shows it below the cell.
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            console=Console(stderr=True),
        )
        self._task: TaskID | None = None
        self._session: Session | None = None

    def __enter__(self) -> ProgressBar:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def download(self, done: int, total: int | None) -> None:
        """Bytes of the network's weights have been downloaded."""
        self._bar.update(self._added("weights"), description="weights", completed=done, total=total)

    def begin(self, session: Session) -> None:
        """The session's first step is next."""
        self._session = session
        total = sum(level.iterations for level in session.levels)
        self._bar.update(self._added("painting"), description="painting", completed=0, total=total)

    def step(self, step: Step) -> None:
        """A step is done."""
        assert self._session is not None
        height, width = self._session.levels[step.level].size
        self._bar.update(
            self._added("painting"),
            description=f"{width}x{height}",
            completed=step.done,
            total=step.planned,
            status=status(step),
        )

    def _added(self, what: str) -> TaskID:
        if self._task is None:
            self._task = self._bar.add_task(what, total=None, status="")
        return self._task


def status(step: Step) -> str:
    """The loss and the time left, in words."""
    left = "" if step.seconds_left is None else f" · {duration(step.seconds_left)} left"
    return f"loss {step.loss:.4g}{left}"
