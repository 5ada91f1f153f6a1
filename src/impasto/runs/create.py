"""New runs: a picture painted in a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import PIL.Image

from impasto import images
from impasto.engine.step import Step
from impasto.errors import OutputError, ParameterError
from impasto.images import Source
from impasto.recipes.fields import STARTS, RegionOf
from impasto.runs.folder import RunFolder
from impasto.runs.readers import check_new
from impasto.runs.recording import (
    Recording,
    SaveEvery,
    failing,
    paint_all,
)
from impasto.runs.tensorboard import require
from impasto.transfer.api import make_session
from impasto.transfer.painting import UNDO_BYTES
from impasto.transfer.result import Result


@contextmanager
def begin(
    run: str | os.PathLike[str],
    content: Source,
    style: Source | Sequence[Source],
    *,
    save_every: SaveEvery = 0,
    tensorboard: bool = False,
    undo_bytes: int = UNDO_BYTES,
    **options: Any,
) -> Iterator[Recording]:
    """A new run in a folder, to iterate over and to steer.

    Args:
        run: the folder; made if it is not there.
        content, style: as for :func:`impasto.stylize`. Pictures that are no files are written into the folder, 8 bits
            if they are uint8 and 16 if not, and what is painted is what was written.
        save_every: iterations between two pictures kept; "log" for ever fewer.
        tensorboard: also write what TensorBoard shows.
        undo_bytes: memory for states that can be gone back to at once.
        options: as there.

    Raises:
        ParameterError: there is a run in the folder already.
        InputError: anything given cannot be used, or what writes TensorBoard's files is not installed.
        OutputError: the folder cannot be written to, or another process has it.

    Example:
        >>> with begin("run1", "photo.jpg", "painting.jpg") as recording:  # doctest: +SKIP
        ...     for step in recording:
        ...         if step.done == 40:
        ...             recording.change(style_weight=60)
        ...     recording.finish()
    """
    path = Path(run)
    check_new(path)
    if tensorboard:  # before pictures are written into the folder
        require()
    styles = style if isinstance(style, list | tuple) else [style]
    if callable(options.get("encoder")):
        raise ParameterError(
            "encoder: expected a name, a network of your own cannot be kept in a run's folder"
        )
    kept = _Inputs(path)
    init = options.get("init")
    if init is not None and not (isinstance(init, str) and init in STARTS):
        options["init"] = kept.file("init", init)
    if options.get("palette") is not None:
        options["palette"] = kept.file("palette", options["palette"])
    if options.get("recipe") is not None:
        options["recipe"] = options["recipe"].absolute()
    if options.get("regions"):
        options["regions"] = [RegionOf.model_validate(each).absolute() for each in options["regions"]]
    session = make_session(
        kept.file("content", content),
        [kept.file(f"style-{number}", each) for number, each in enumerate(styles, start=1)],
        options,
    )
    with RunFolder(path) as folder:
        recording = Recording(
            session, folder, save_every=save_every, tensorboard=tensorboard, undo_bytes=undo_bytes
        )
        with failing(recording):
            yield recording


def stylize(
    run: str | os.PathLike[str],
    content: Source,
    style: Source | Sequence[Source],
    *,
    on_step: Callable[[Step], object] | None = None,
    **options: Any,
) -> Result:
    """:func:`impasto.stylize` in a run's folder: :func:`begin`, painted to its end.

    Args:
        run, content, style, options: as there.
        on_step: called with each :class:`impasto.Step`.

    Raises:
        InputError, OutputError: as there.
        DivergedError: the optimisation cannot go on.
    """
    with begin(run, content, style, undo_bytes=0, **options) as recording:
        return paint_all(recording, on_step)


class _Inputs:
    """Pictures as files with absolute paths; those that are none are written into the run's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def file(self, name: str, source: Source) -> Path:
        if isinstance(source, str | os.PathLike):
            return Path(source).resolve()
        picture = images.read(source)
        whole = isinstance(source, PIL.Image.Image) or str(source.dtype).endswith("uint8")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self._folder}: cannot write: {error.strerror or error}") from None
        path = self._folder.resolve() / f"{name}.png"
        images.write(path, picture.pixels, bits=8 if whole else 16)
        return path
