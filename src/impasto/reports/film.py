"""A run as a film: how the picture came to be, from the pictures that the run kept.

A run with `--save-every log` has a picture after 1, 2, 3, 4, 6, 8, 11, … iterations: early on, when most happens,
they lie close together. Each gets as long as any other, and in between one fades into the next. Light is what is
mixed, not the numbers that stand for it: halfway between black and white is grey of half the light.
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

_MAX_SECONDS = 600.0  # seconds
_MAX_RATE = 120.0  # frames a second
_NO_LIMIT = 1_000_000_000  # pixels; the run has judged its pictures already
_LINEAR_STEPS = 65_535  # steps of light between black and white


@dataclass(frozen=True)
class Film:
    """A film that has been written.

    Attributes:
        path: where it is.
        size: (width, height).
        frames: how many.
        rate: frames a second.
        seconds: how long it takes.
        pictures: how many pictures of the run it goes through.
        encoder: what it was written with.
        bytes: of the file.
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
        run: its folder, with pictures in it (`--save-every`).
        output: .mp4, .webm, .gif or .webp; written wholly or not at all.
        rate: frames a second.
        seconds: how long the film is.
        hold: seconds of them that the last picture stands still, and the first one with ``before``.
        size: the film's long side in pixels; 0 takes the result's.
        before: begin with the content picture.
        progress: called with (frames done, frames in all).

    Raises:
        ParameterError: it is no run, it kept no pictures, or an option is out of range.
        MissingExtraError: MP4 and WebM need PyAV.
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
        # The result is what is looked at longest.
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
        raise ParameterError(f"size: expected 16 or more, or 0 for the result's, got {size}")


def pictures(run: Path, *, before: bool = False) -> list[Path]:
    """The pictures of a run in the order in which they were painted.

    Args:
        run: its folder.
        before: whether the content picture comes first.

    Raises:
        ParameterError: it is no run, it kept no pictures, or the content picture has changed.
    """
    recipe = read_recipe(run)
    found = sorted(run.glob("step-*.png"), key=_iterations)
    if (run / RESULT).is_file():
        found.append(run / RESULT)
    if len(found) < 2:
        raise ParameterError(
            f"{run}: expected a run that kept pictures on the way, found {len(found) or 'none'}; "
            f"paint it again with --save-every log: impasto rerun {run} --save-every log --run NEW"
        )
    if before:
        if recipe.content is None:
            raise ParameterError(f"{run}: its recipe names no content picture")
        found.insert(0, _checked_path(run, recipe.content))
    return found


def _checked_path(run: Path, content: Input) -> Path:
    """The picture that was painted, if it is still the same; one that is gone is for its reader to tell."""
    path = Path(content.path)
    if content.sha256 and path.is_file() and content.sha256 != hashlib.sha256(path.read_bytes()).hexdigest():
        raise ParameterError(f"{run}: content {path} has changed since this run was painted")
    return path


def _final_size(run: Path, last: Path) -> Size:
    """(height, width) that the result has, or will have: a run that is not done may not be there yet."""
    summary = read_summary(run)
    if summary is not None:
        return summary.size[1], summary.size[0]
    pixels = images.read(last, max_pixels=_NO_LIMIT).pixels
    return size_of(pixels)


def _iterations(path: Path) -> int:
    digits = path.stem.removeprefix("step-")
    return int(digits) if digits.isdecimal() else -1


def positions(count: int, frames: int, *, hold: int, before: bool) -> list[float]:
    """Where each frame is among the pictures: 2.25 is a quarter of the way from the third to the fourth.

    Args:
        count: of pictures.
        frames: of the film.
        hold: frames that the last picture stands still, and the first one with ``before``.

    Raises:
        ParameterError: nothing is left to move.
    """
    still = hold * (2 if before else 1)
    if frames - still < 2:
        raise ParameterError(
            f"hold: expected less than the film, got {still} of its {frames} frames standing still"
        )
    moving = frames - still
    way = [(count - 1) * at / (moving - 1) for at in range(moving)]
    return [*([0.0] * hold if before else []), *way, *[float(count - 1)] * hold]


def frames(pictures: Sequence[Callable[[], Frame]], positions: Sequence[float]) -> Iterator[Frame]:
    """The frames at those positions; no more than two pictures are in memory at a time.

    Args:
        pictures: each makes a picture, (H, W, 3) uint8 sRGB, all of one size.
        positions: see :func:`positions`; they only go up.
    """
    near: dict[int, Frame] = {}
    for position in positions:
        first = min(math.floor(position), len(pictures) - 1)
        wanted = {first, min(first + 1, len(pictures) - 1)}
        near = {number: near[number] if number in near else pictures[number]() for number in sorted(wanted)}
        share = position - first
        yield near[first] if share == 0.0 else crossfade(near[first], near[first + 1], share)


def crossfade(one: Frame, other: Frame, share: float) -> Frame:
    """``one`` with ``share`` of ``other``, mixed as light: (H, W, 3) uint8 sRGB."""
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
    """Some of them, from the first to the last."""
    if len(paths) <= most:
        return list(paths)
    return [paths[round(at * (len(paths) - 1) / (most - 1))] for at in range(most)]
