"""A progress bar on a terminal or in a notebook: for ``progress=True``, and for the command."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from impasto.assembly.device import peak_memory
from impasto.engine.step import Step
from impasto.text import duration
from impasto.transfer.session import Session

MEASURING = "measuring what the strength comes to with these pictures"


def new_bars(*, transient: bool) -> Progress:
    """Bars with a description, a count and a status each, on standard error; in a notebook below the cell.

    Args:
        transient: remove the bars at the end.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
        console=Console(stderr=True),
        transient=transient,
    )


class ProgressBar:
    """One line: the level's size, a bar, iterations, loss, time left and memory. Use it as a context manager.

    Args:
        transient: remove the line at the end.
    """

    def __init__(self, *, transient: bool = False) -> None:
        self._bars = new_bars(transient=transient)
        self._task: TaskID | None = None
        self._session: Session | None = None

    def __enter__(self) -> ProgressBar:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def note(self, text: str) -> None:
        """Print a note above the bar, unwrapped, so that a command in it can be copied."""
        self._bars.console.print(
            f"note: {text}", style="yellow", highlight=False, markup=False, soft_wrap=True
        )

    def download(self, done: int, total: int | None) -> None:
        """Bytes of the network's weights have been downloaded."""
        self._show("weights", done, total, "downloading")

    def measuring(self) -> None:
        """A strength is being measured."""
        self._show(MEASURING, 0, None, "")

    def start(self, session: Session) -> None:
        """The session's first step is next."""
        self._session = session
        self._show("painting", 0, sum(level.iterations for level in session.levels), "")

    def step(self, step: Step) -> None:
        """A step is done."""
        assert self._session is not None
        for text in step.notes:
            self.note(text)
        height, width = self._session.levels[step.level].size
        memory = peak_memory(self._session.device) / 1e9
        self._show(f"painting {width}x{height}", step.done, step.planned, f"{status(step)} · {memory:.1f} GB")

    def count(self, what: str, done: int, total: int) -> None:
        """``done`` of ``total`` steps of the task ``what`` are done."""
        self._show(what, done, total, "")

    def _show(self, what: str, done: int, total: int | None, words: str) -> None:
        if self._task is None:
            self._task = self._bars.add_task(what, total=total, status=words)
        self._bars.update(self._task, description=what, completed=done, total=total, status=words)


def status(step: Step) -> str:
    """The loss and the time left, in words."""
    return " · ".join(filter(None, (f"loss {step.loss:.4g}", time_left(step.seconds_left))))


def time_left(seconds: float | None) -> str:
    """The time left, in words; empty where nobody knows."""
    return "" if seconds is None else f"{duration(seconds)} left"
