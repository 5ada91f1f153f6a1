"""New runs: painting a picture in a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import PIL.Image
import torch

from impasto import images
from impasto.engine.step import Step
from impasto.errors import OutputError, ParameterError
from impasto.images import Source
from impasto.images.alpha import straight
from impasto.recipes.fields import STARTS, RegionOf, absolute
from impasto.runs.folder import RunFolder
from impasto.runs.readers import check_new
from impasto.runs.recording import (
    Recording,
    SaveEvery,
    paint_all,
    recording_failure,
)
from impasto.runs.tensorboard import require
from impasto.transfer.api import make_session
from impasto.transfer.painting import UNDO_BYTES
from impasto.transfer.pictures import name_masks
from impasto.transfer.result import Result
from impasto.transfer.session import Session


@contextmanager
def begin(
    run: str | os.PathLike[str],
    content: Source,
    style: Source | Iterable[Source],
    *,
    save_every: SaveEvery = 0,
    tensorboard: bool = False,
    undo_bytes: int = UNDO_BYTES,
    **options: Any,
) -> Iterator[Recording]:
    """Create a run in a folder, to iterate over and to steer.

    Args:
        run: the folder, created if missing.
        content, style: as for :func:`impasto.stylize`. Pictures in memory are first written into the folder, with
            8 bits where they are uint8, else with 16. The run reads these files.
        save_every: iterations between two saved pictures; "log" for logarithmic intervals.
        tensorboard: also write TensorBoard event files.
        undo_bytes: memory for snapshots to rewind to without recomputation.
        options: as for :func:`impasto.stylize`.

    Raises:
        ParameterError: the folder already contains a run.
        InputError: an argument cannot be used, or the package that writes TensorBoard's files is not installed.
        OutputError: the folder cannot be written, or another process has locked it.

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
    session = _make_session(path, content, style, options)
    with RunFolder(path) as folder:
        recording = Recording(
            session, folder, save_every=save_every, tensorboard=tensorboard, undo_bytes=undo_bytes
        )
        with recording_failure(recording):
            yield recording


def stylize(
    run: str | os.PathLike[str],
    content: Source,
    style: Source | Iterable[Source],
    *,
    on_step: Callable[[Step], object] | None = None,
    **options: Any,
) -> Result:
    """:func:`impasto.stylize` in a run's folder: :func:`begin`, iterated to its end.

    Args:
        run, content, style, options: as for :func:`begin`.
        on_step: called with each :class:`impasto.Step`.

    Raises:
        InputError, OutputError: as for :func:`begin`.
        DivergedError: the loss became NaN, and restarting the optimiser did not help.
    """
    with begin(run, content, style, undo_bytes=0, **options) as recording:
        return paint_all(recording, on_step)


def _make_session(
    folder: Path, content: Source, style: Source | Iterable[Source], options: Mapping[str, Any]
) -> Session:
    """A session that reads all pictures from files with absolute paths."""
    if callable(options.get("encoder")):
        raise ParameterError("encoder: expected a name for a run in a folder, got a network of your own")
    given = dict(options)
    init = given.get("init")
    if init is not None and not (isinstance(init, str) and init in STARTS):
        given["init"] = _as_file(folder, "init", init)
    if given.get("palette") is not None:
        given["palette"] = _as_file(folder, "palette", given["palette"])
    if given.get("recipe") is not None:
        given["recipe"] = given["recipe"].absolute()
    if given.get("regions"):
        given["regions"], masks = name_masks(given["regions"])
        for region in given["regions"]:
            for kind in ("mask", "style_mask"):
                if isinstance(region, dict) and region.get(kind) in masks:
                    name = f"{kind.replace('_', '-')}-{region.get('name')}"
                    region[kind] = _as_file(folder, name, masks[region[kind]])
        given["regions"] = [RegionOf.model_validate(each).with_paths(absolute) for each in given["regions"]]
    return make_session(
        _as_file(folder, "content", content),
        [
            _as_file(folder, f"style-{number}", each)
            for number, each in enumerate(images.as_list(style), start=1)
        ],
        given,
    )


def _as_file(folder: Path, name: str, source: Source) -> Path:
    """The absolute path of a picture; a picture in memory is first written into the folder."""
    if isinstance(source, str | os.PathLike):
        return Path(source).resolve()
    picture = images.read(source)
    has_8_bits = isinstance(source, PIL.Image.Image) or str(getattr(source, "dtype", "")).endswith("uint8")
    pixels = picture.pixels
    if picture.alpha is not None:
        pixels = torch.cat([straight(pixels, picture.alpha, picture.background), picture.alpha], 1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot write: {error.strerror or error}") from None
    path = folder.resolve() / f"{name}.png"
    images.write(path, pixels, bits=8 if has_8_bits else 16)
    return path
