"""TensorBoard event files of a run: losses, seconds and memory of each iteration, pictures at logarithmic intervals.

They are written during the run, into ``tensorboard`` in the run's folder. Where iterations are recomputed, their
earlier entries are purged, so that no iteration appears twice.
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
_SIDE = 1024  # the longest side of the pictures: previews
_SECONDS = 5  # between two flushes to disk


def require() -> None:
    """Check that the package that writes TensorBoard's files is installed.

    Raises:
        MissingExtraError: it is not installed.
    """
    _writer_class()


class Board:
    """TensorBoard's files of a run.

    Args:
        run: its folder. Where it has no TensorBoard files yet, all iterations so far are written first.
        done: iterations done; the entries of later iterations are purged.

    Raises:
        MissingExtraError: the package that writes the files is not installed.
        OutputError: the files cannot be written.
    """

    def __init__(self, run: Path, *, done: int) -> None:
        self._path = run / FOLDER
        exists = any(self._path.glob("events.out.*"))
        with self._writing():
            self._writer = _writer_class()(str(self._path), purge_step=done + 1, flush_secs=_SECONDS)
        for event in [] if exists else read_events(run):
            self.add(event)

    def add(self, event: Mapping[str, Any]) -> None:
        """Write an iteration, given as an entry of `events.jsonl`."""
        numbers = {f"loss/{name}": value for name, value in event["losses"].items()}
        numbers |= {"total loss": event["loss"], "seconds": event["seconds"], "memory": event["memory"]}
        with self._writing():
            for name, value in numbers.items():
                self._writer.add_scalar(name.replace(" ", "_"), value, event["done"])

    def show(self, done: int, picture: Tensor) -> None:
        """Write the picture, (1, 3, H, W) in [0, 1], after ``done`` iterations."""
        height, width = picture.shape[-2:]
        scale = min(1.0, _SIDE / max(height, width))
        small = resize(picture, (max(1, round(scale * height)), max(1, round(scale * width))))
        with self._writing():
            self._writer.add_image("picture", small[0, :3], done)

    def close(self) -> None:
        """Flush and close the files; further iterations may follow."""
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
