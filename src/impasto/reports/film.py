"""A film of a run's progress, from its intermediate pictures.

A run with `--save-every log` has a picture after 1, 2, 3, 4, 6, 8, 11, … iterations: more pictures early on, when the
most changes. All pictures get equal time, with a crossfade from each to the next. Crossfades are computed in linear
light, not in sRGB values: halfway between black and white is grey with half the light.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from impasto import images
from impasto.color import linear_to_srgb, srgb_to_linear
from impasto.errors import ParameterError
from impasto.geometry import Size, fit, resize, size_of
from impasto.images.animation import Frame, check_film, write_film
from impasto.recipes.fields import Input
from impasto.runs.layout import RESULT
from impasto.runs.readers import read_recipe, read_summary

_MAX_SECONDS = 600.0
_MAX_RATE = 120.0  # frames per second
_NO_LIMIT = 1_000_000_000  # pixels; the run has checked its pictures' sizes already
_LINEAR_STEPS = 65_535  # steps of linear light between black and white


@dataclass(frozen=True)
class Film:
    """A written film.

    Attributes:
        path: of the file.
        size: (width, height) in pixels.
        frames: number of frames.
        rate: frames per second.
        seconds: duration.
        pictures: number of the run's pictures in it.
        encoder: name of the video or picture encoder.
        bytes: size of the file.
    """

    path: Path
    size: tuple[int, int]
    frames: int
    rate: float
    seconds: float
    pictures: int
    encoder: str
    bytes: int


def animate(
    run: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    rate: float = 25.0,
    seconds: float = 8.0,
    hold: float = 1.0,
    size: int = 0,
    before: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Film:
    """Write the film of a run.

    Args:
        run: its folder, with intermediate pictures (`--save-every`).
        output: .mp4, .webm, .gif or .webp; written atomically.
        rate: frames per second.
        seconds: duration of the film.
        hold: seconds of still picture at the end, and at the start with ``before``; part of ``seconds``.
        size: the film's long side in pixels; 0 uses the result's.
        before: start with the content picture.
        progress: called with (frames done, frames in all).

    Raises:
        ParameterError: the folder is not a run, it has no intermediate pictures, or an option is out of range.
        MissingExtraError: MP4 or WebM without PyAV.
        ImageError: one of the pictures cannot be read.
        OutputError: the film cannot be written.
    """
    _check(rate=rate, seconds=seconds, hold=hold, size=size)
    path, output = Path(run), Path(output)
    paths = pictures(path, before=before)
    height, width = fit(_final_size(path, paths[-1]), size)
    shape = check_film(output, (width, height), rate)
    exact = (shape.size[1], shape.size[0])
    count = max(2, round(seconds * shape.rate))
    times = positions(len(paths), count, hold=round(hold * shape.rate), before=before)
    film = frames([lambda path=each: _read(path, exact) for each in paths], times)  # type: ignore[misc]

    def with_progress() -> Iterator[Frame]:
        for done, frame in enumerate(film, start=1):
            yield frame
            if progress is not None:
                progress(done, count)

    palette_frames = []
    if output.suffix.lower() == ".gif":
        # The result is shown longest, and counts four times.
        palette_frames = [
            _read(each, fit(exact, 256)) for each in (*_evenly_spaced(paths, 12), *[paths[-1]] * 3)
        ]
    encoder = write_film(output, with_progress(), count, shape, palette_frames=palette_frames)
    return Film(
        path=output,
        size=shape.size,
        frames=count,
        rate=float(shape.rate),
        seconds=float(count / shape.rate),
        pictures=len(paths),
        encoder=encoder,
        bytes=output.stat().st_size,
    )


def _check(*, rate: float, seconds: float, hold: float, size: int) -> None:
    if not 1.0 <= rate <= _MAX_RATE:
        raise ParameterError(f"fps: expected 1 to {_MAX_RATE:g}, got {rate:g}")
    if not 0.0 < seconds <= _MAX_SECONDS:
        raise ParameterError(f"seconds: expected more than 0, up to {_MAX_SECONDS:g}, got {seconds:g}")
    if not 0.0 <= hold <= _MAX_SECONDS:
        raise ParameterError(f"hold: expected 0 to {_MAX_SECONDS:g}, got {hold:g}")
    if size and size < 16:
        raise ParameterError(f"size: expected 16 or more, or 0 for the result's size, got {size}")


def pictures(run: Path, *, before: bool = False) -> list[Path]:
    """Paths of a run's pictures in the order of iterations, the result last.

    Args:
        run: its folder.
        before: put the content picture first.

    Raises:
        ParameterError: the folder is not a run, it has no intermediate pictures, or the content picture has changed.
    """
    recipe = read_recipe(run)
    found = sorted(run.glob("step-*.png"), key=_iterations)
    if (run / RESULT).is_file():
        found.append(run / RESULT)
    if len(found) < 2:
        raise ParameterError(
            f"{run}: expected a run with at least 2 saved pictures, got {len(found) or 'none'}; "
            f"paint it again with --save-every log: impasto rerun {run} --save-every log --run NEW"
        )
    if before:
        if recipe.content is None:
            raise ParameterError(f"{run}: expected a recipe with a content picture, got one without")
        found.insert(0, _checked_path(run, recipe.content))
    return found


def _checked_path(run: Path, content: Input) -> Path:
    """The content's path, if its SHA-256 matches the recipe's. A missing file is reported when it is read."""
    path = Path(content.path)
    if content.sha256 and path.is_file() and content.sha256 != hashlib.sha256(path.read_bytes()).hexdigest():
        raise ParameterError(f"{run}: content {path} has changed since this run was painted")
    return path


def _final_size(run: Path, last: Path) -> Size:
    """(height, width) of the result; for a run without a summary, of its last picture."""
    summary = read_summary(run)
    if summary is not None:
        return summary.size[1], summary.size[0]
    pixels = images.read(last, max_pixels=_NO_LIMIT).pixels
    return size_of(pixels)


def _iterations(path: Path) -> int:
    digits = path.stem.removeprefix("step-")
    return int(digits) if digits.isdecimal() else -1


def positions(count: int, frames: int, *, hold: int, before: bool) -> list[float]:
    """Each frame's position among the pictures: 2.25 is a quarter of the way from the third to the fourth.

    Args:
        count: number of pictures.
        frames: number of frames.
        hold: still frames at the end, and at the start with ``before``.

    Raises:
        ParameterError: fewer than 2 moving frames are left.
    """
    still = hold * (2 if before else 1)
    if frames - still < 2:
        raise ParameterError(
            f"hold: expected less than the film, got {still} of its {frames} frames as a still picture"
        )
    moving = frames - still
    way = [(count - 1) * at / (moving - 1) for at in range(moving)]
    return [*([0.0] * hold if before else []), *way, *[float(count - 1)] * hold]


def frames(pictures: Sequence[Callable[[], Frame]], positions: Sequence[float]) -> Iterator[Frame]:
    """The frames at those positions; at most two pictures are in memory at a time.

    Args:
        pictures: each returns a picture, (H, W, 3) uint8 sRGB, all of one size.
        positions: see :func:`positions`; in ascending order.
    """
    near: dict[int, Frame] = {}
    for position in positions:
        first = min(math.floor(position), len(pictures) - 1)
        indices = {first, min(first + 1, len(pictures) - 1)}
        near = {number: near[number] if number in near else pictures[number]() for number in sorted(indices)}
        share = position - first
        yield near[first] if share == 0.0 else crossfade(near[first], near[first + 1], share)


def crossfade(one: Frame, other: Frame, share: float) -> Frame:
    """``one`` mixed with a ``share`` of ``other`` in linear light: (H, W, 3) uint8 sRGB."""
    mixed = _TO_LINEAR[one] * np.float32(1.0 - share) + _TO_LINEAR[other] * np.float32(share)
    return _TO_SRGB[(mixed * np.float32(_LINEAR_STEPS) + np.float32(0.5)).astype(np.uint16)]


# Lookup tables: sRGB code -> linear light in [0, 1], and back from steps of 1 / 65535. The darkest two codes are 20
# such steps apart.
_TO_LINEAR: npt.NDArray[np.float32] = srgb_to_linear(torch.arange(256) / 255.0).numpy()
_TO_SRGB: Frame = (
    (linear_to_srgb(torch.arange(_LINEAR_STEPS + 1) / _LINEAR_STEPS) * 255.0).round().to(torch.uint8).numpy()
)


def _read(path: Path, size: Size) -> Frame:
    pixels = resize(images.read(path, max_pixels=_NO_LIMIT).pixels, size)
    rounded = (pixels[0] * 255.0).round().to(torch.uint8).permute(1, 2, 0)
    return np.ascontiguousarray(rounded.numpy())


def _evenly_spaced(paths: Sequence[Path], most: int) -> list[Path]:
    """At most ``most`` of the paths, evenly spaced, with the first and the last."""
    if len(paths) <= most:
        return list(paths)
    return [paths[round(at * (len(paths) - 1) / (most - 1))] for at in range(most)]
