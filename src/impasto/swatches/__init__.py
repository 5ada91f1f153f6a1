"""Swatches: procedural style pictures, one for each of several artistic media, generated from a seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from impasto.errors import ParameterError, unknown_name
from impasto.swatches.field import Picture
from impasto.swatches.glass import glass
from impasto.swatches.hatching import hatching
from impasto.swatches.mosaic import mosaic
from impasto.swatches.points import points
from impasto.swatches.strokes import strokes
from impasto.swatches.watercolour import watercolour
from impasto.swatches.waves import waves

SWATCHES: dict[str, Callable[[np.random.Generator, int], Picture]] = {
    "strokes": strokes,
    "glass": glass,
    "waves": waves,
    "points": points,
    "hatching": hatching,
    "mosaic": mosaic,
    "watercolour": watercolour,
}
"""Name -> function that paints (size, size, 3) uint8 sRGB."""

SMALLEST, LARGEST = 32, 4096


def paint(name: str, *, size: int = 512, seed: int = 0) -> Picture:
    """Paint a swatch.

    Args:
        name: a name in :data:`SWATCHES`.
        size: side in pixels, 32 to 4096. It does not change the composition.
        seed: 0 or more; each seed gives another composition.

    Returns:
        (size, size, 3) uint8, sRGB. The same arguments give the same bytes.

    Raises:
        ParameterError: an unknown name, or a size or seed out of range.
    """
    if name not in SWATCHES:
        raise unknown_name("swatch", name, SWATCHES)
    if not SMALLEST <= size <= LARGEST:
        raise ParameterError(f"size: expected {SMALLEST} to {LARGEST} pixels, got {size}")
    if seed < 0:
        raise ParameterError(f"seed: expected 0 or more, got {seed}")
    # The name is part of the seed, so that two media with the same seed get different compositions.
    return SWATCHES[name](np.random.default_rng([seed, *name.encode()]), size)


__all__ = ["SWATCHES", "paint"]
