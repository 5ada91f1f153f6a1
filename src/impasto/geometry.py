"""Sizes of pictures in pixels, and resizing of pictures."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.errors import unknown_name

Size = tuple[int, int]
"""(height, width) in pixels."""

Fit = Literal["long", "short", "height", "area"]
Resample = Literal["bicubic", "bilinear"]
FITS: tuple[Fit, ...] = ("long", "short", "height", "area")


def size_of(image: Tensor) -> Size:
    """(height, width) of (..., H, W)."""
    return image.shape[-2], image.shape[-1]


def same_shape(one: Size, other: Size) -> bool:
    """Whether two sizes have the same proportions, up to rounding and 2 %."""
    off = abs(math.log(one[0] * other[1] / (one[1] * other[0])))
    return off <= _MAX_ASPECT_ERROR + 1.0 / min(*one, *other)


_MAX_ASPECT_ERROR = 0.02  # difference of log aspect ratios


def fit(size: Size, pixels: float, how: Fit = "long", *, enlarge: bool = True) -> Size:
    """``size`` scaled, keeping its proportions.

    Args:
        size: the current size.
        pixels: the new value of the measure; 0 keeps the size.
        how: the measure: the long side, the short side, the height, or the side of the square of equal area.
        enlarge: whether the result may be larger than ``size``.

    Raises:
        ParameterError: an unknown measure.
    """
    if how not in FITS:
        raise unknown_name("fit", how, FITS)
    scale = pixels / measure(size, how) if pixels else 1.0
    if not enlarge:
        scale = min(scale, 1.0)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def measure(size: Size, how: Fit) -> float:
    """The measure ``how`` of ``size``, in pixels."""
    match how:
        case "long":
            return max(size)
        case "short":
            return min(size)
        case "height":
            return size[0]
        case "area":
            return math.sqrt(size[0] * size[1])


def resize(image: Tensor, size: Size, resample: Resample = "bicubic") -> Tensor:
    """Resize (N, C, H, W), float in [0, 1] or uint8, with anti-aliasing; the result is float in [0, 1]."""
    if image.dtype == torch.uint8:
        image = image.to(torch.float32).div_(255.0)
    if tuple(image.shape[-2:]) == size:
        return image
    # Bicubic interpolation overshoots beside edges.
    return F.interpolate(image, size, mode=resample, antialias=True, align_corners=False).clamp_(0.0, 1.0)


def cover(image: Tensor, size: Size) -> Tensor:
    """``image`` scaled and centre-cropped to fill (height, width) without distortion."""
    height, width = size
    scale = max(height / image.shape[-2], width / image.shape[-1])
    h = max(height, round(image.shape[-2] * scale))
    w = max(width, round(image.shape[-1] * scale))
    scaled = resize(image, (h, w))
    top, left = (h - height) // 2, (w - width) // 2
    return scaled[..., top : top + height, left : left + width]
