"""A run as TensorBoard shows it: losses, seconds and memory of each iteration, and the picture at ever fewer.

Written while it is painted, into ``tensorboard`` in the run's folder. Where iterations are done again, what was
written about them before is taken back, so that no iteration is there twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from impasto.errors import MissingExtraError, OutputError
from impasto.geometry import resize
from impasto.runs.readers import read_events

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"
_SIDE = 1024  # of the pictures: they are to be looked at while they are painted
_SECONDS = 5  # after which what was written can be seen


def require() -> None:
    """Say at once whether TensorBoard's files can be written.

    Raises:
        MissingExtraError: what writes them is not installed.
    """
    _writer_class()


class Board:
    """TensorBoard's files of a run.

    Args:
        run: its folder. What it says about iterations so far is written too, if there was no board before.
        done: iterations done; what was written about later ones no longer holds.

    Raises:
        MissingExtraError: what writes them is not installed.
        OutputError: they cannot be written.
    """

    def __init__(self, run: Path, *, done: int) -> None:
        self._path = run / FOLDER
        begun = any(self._path.glob("events.out.*"))
        with self._writing():
            self._writer = _writer_class()(str(self._path), purge_step=done + 1, flush_secs=_SECONDS)
        for event in [] if begun else read_events(run):
            self.add(event)

    def add(self, event: Mapping[str, Any]) -> None:
        """An iteration, as `events.jsonl` has it."""
        numbers = {f"loss/{name}": value for name, value in event["losses"].items()}
        numbers |= {"total loss": event["loss"], "seconds": event["seconds"], "memory": event["memory"]}
        with self._writing():
            for name, value in numbers.items():
                self._writer.add_scalar(name.replace(" ", "_"), value, event["done"])

    def show(self, done: int, picture: Tensor) -> None:
        """The picture, (1, 3, H, W) in [0, 1], after that many iterations."""
        height, width = picture.shape[-2:]
        scale = min(1.0, _SIDE / max(height, width))
        small = resize(picture, (max(1, round(scale * height)), max(1, round(scale * width))))
        with self._writing():
            self._writer.add_image("picture", small[0, :3], done)

    def close(self) -> None:
        """Write what is left to write; further iterations may follow."""
        with self._writing():
            self._writer.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"{self._path}: cannot write: {error.strerror or error}") from None


def _writer_class() -> type[SummaryWriter]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtraError("--tensorboard", extra="tensorboard") from None
    return SummaryWriter
