"""The first image: the content, a style, noise, or a picture of the user's."""

from __future__ import annotations

import torch
from torch import Tensor

from impasto.engine.pyramid import Size, resize


def cover(image: Tensor, size: Size) -> Tensor:
    """``image`` scaled, and cropped about its middle, to fill (height, width) without distortion."""
    height, width = size
    scale = max(height / image.shape[-2], width / image.shape[-1])
    h = max(height, round(image.shape[-2] * scale))
    w = max(width, round(image.shape[-1] * scale))
    scaled = resize(image, (h, w))
    top, left = (h - height) // 2, (w - width) // 2
    return scaled[..., top : top + height, left : left + width]


def noise(
    size: Size, *, centre: tuple[float, float, float], deviation: float, generator: torch.Generator
) -> Tensor:
    """Gaussian noise (1, 3, height, width) about a colour; values may leave [0, 1].

    Args:
        centre: the mean colour, RGB in [0, 1].
        deviation: standard deviation, in the same unit.
        generator: makes it repeatable.
    """
    values = torch.randn(1, 3, *size, generator=generator)
    return torch.tensor(centre).view(1, 3, 1, 1) + deviation * values
