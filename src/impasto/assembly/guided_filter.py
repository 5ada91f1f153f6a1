"""Guided filter, the last step of a photorealistic result: it removes everything but local recolouring.

The objective's photo term penalises such deviations without removing them. The guided filter of He, Sun and Tang 2013
("Guided Image Filtering"), with the photograph as its guide, removes them: around each pixel, the result becomes the
nearest affine map of the photograph's colours. Edges are then exactly the photograph's edges. Li, Liu, Li, Yang and
Kautz 2018 ("A Closed-form Solution to Photorealistic Image Stylization") smooth their results for the same purpose by
solving one large linear system.
"""

from __future__ import annotations

import torch
from torch import Tensor

from impasto.geometry import resize
from impasto.losses.matting import sum_affine_fits

_NOISE = 1e-4
"""Regularisation: variance of colours in [0, 1] below which the photograph's detail is ignored, 2.5 grey levels
squared."""
_BAND = 1 << 16  # pixels per band


def guided_filter(painted: Tensor, photo: Tensor, radius: int) -> Tensor:
    """The picture as affine maps of the photograph, in windows of 2 ``radius`` + 1 pixels per side.

    Args:
        painted: (1, 3, H, W) in [0, 1].
        photo: the photograph, of any size; float in [0, 1] or uint8.
        radius: in pixels; reduced where the picture is smaller than a window. 0 returns ``painted`` unchanged.
    """
    height, width = painted.shape[-2:]
    radius = min(radius, (min(height, width) - 1) // 2)
    if not radius:
        return painted
    guide = resize(photo, (height, width)).to(painted)
    found = torch.empty_like(painted)
    epsilon = _NOISE * (2 * radius + 1) ** 2
    rows = max(2 * radius, _BAND // width)
    for first in range(0, height, rows):
        last = min(first + rows, height)
        # The band, plus every row that shares a window with it.
        seen = slice(max(0, first - 2 * radius), min(last + 2 * radius, height))
        sums, windows = sum_affine_fits(
            painted[:, :, seen], guide[:, :, seen], radius=radius, epsilon=epsilon
        )
        own = slice(first - seen.start, last - seen.start)
        found[:, :, first:last] = (sums / windows)[:, :, own].clamp_(0.0, 1.0)
    return found
