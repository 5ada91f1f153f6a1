"""Samples of a picture as NumPy arrays: types, range, conversion to float32 and back to 8 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from impasto.errors import ImageError

Array = npt.NDArray[Any]
"""Samples of any type."""

Floats = npt.NDArray[np.float32]
"""Samples in [0, 1]."""

GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")
"""Pillow's modes without colour."""

DEEP_GREY_MODES = ("I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's grey modes with 16 bits."""

_BAND_PIXELS = 1 << 18  # converted to float32 at a time


def to_unit_range(values: Array) -> Floats:
    """uint8, uint16 or float in [0, 1] -> float32 in [0, 1]."""
    scaled = values.astype(np.float32)
    if values.dtype.kind == "u":
        scaled /= np.float32(np.iinfo(values.dtype).max)
    return scaled


def check_unit_range(name: str, values: Array) -> None:
    """Refuse values outside [0, 1].

    Raises:
        ImageError: a value is outside or not finite; the message gives the extremes.
    """
    low, high = float(values.min()), float(values.max())  # NaN if any value is NaN
    if not (low >= 0 and high <= 1):
        raise ImageError(f"{name}: expected finite values in [0, 1], got {low:g} to {high:g}")


def to_planes(samples: Array, shrink: int = 1) -> torch.Tensor:
    """(H, W, 1) or (H, W, 3), uint8, uint16 or float -> (1, 3, H, W) float32, a copy.

    Converted in bands of rows, since full-size temporary arrays would take more memory than the picture.

    Args:
        shrink: the sides are divided by it, rounded up; every value is the mean of a square of that side.
    """
    height, width, _ = samples.shape
    planes = np.empty((3, -(-height // shrink), -(-width // shrink)), np.float32)
    rows = max(1, _BAND_PIXELS // (width * shrink)) * shrink
    for first in range(0, height, rows):
        band = to_unit_range(samples[first : first + rows]).transpose(2, 0, 1)
        planes[:, first // shrink : -(-(first + rows) // shrink)] = block_means(band, shrink)
    return torch.from_numpy(planes[None])


def shrink_factor(short: int, shrink_to: int) -> int:
    """The largest divisor of the short side that leaves at least ``shrink_to``; 1 where ``shrink_to`` is 0."""
    return max(1, short // shrink_to) if shrink_to else 1


def block_means(planes: Floats, side: int) -> Floats:
    """The means of squares of ``side`` pixels of (C, H, W); those at the right and the bottom may be cut off."""
    if side == 1:
        return planes
    whole = torch.from_numpy(np.ascontiguousarray(planes))[None]
    means = F.avg_pool2d(whole, side, ceil_mode=True, count_include_pad=False)[0]
    return np.asarray(means)


def to_uint8_if_exact(pixels: torch.Tensor) -> torch.Tensor:
    """The picture as uint8, in a quarter of the memory, if that is lossless; otherwise ``pixels`` itself.

    Args:
        pixels: of any shape, float32 in [0, 1] or already uint8.
    """
    if pixels.dtype == torch.uint8:
        return pixels
    rounded = (pixels * 255.0).round_().to(torch.uint8)
    same = torch.equal(rounded.to(torch.float32).div_(255.0), pixels)
    return rounded if same else pixels
