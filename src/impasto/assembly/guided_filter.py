"""The last step of a photorealistic picture: what is left of it is, place by place, the photograph recoloured.

The objective's photo term only makes the rest cost something. The guided filter of He, Sun and Tang 2013 ("Guided
Image Filtering"), with the photograph as its guide, takes it away: around each pixel the picture becomes the affine
map of the photograph's colours that is nearest to it, so that lines are the photograph's and as straight. Li, Liu,
Li, Yang and Kautz 2018 ("A Closed-form Solution to Photorealistic Image Stylization") smooth their results to that
end by solving one large system.
"""

from __future__ import annotations

import torch
from torch import Tensor

from impasto.geometry import resize
from impasto.losses.matting import sum_affine_fits

_NOISE = 1e-4
"""Variance, of colours in [0, 1], below which the photograph's detail is not drawn upon: 2.5 grey levels, squared."""
_BAND = 1 << 16  # pixels worked on at a time


def recolored_photo(painted: Tensor, photo: Tensor, radius: int) -> Tensor:
    """The picture as affine maps of the photograph in windows of 2 ``radius`` + 1 pixels a side.

    Args:
        painted: (1, 3, H, W) in [0, 1].
        photo: the photograph, of any size; float in [0, 1] or uint8.
        radius: made smaller where the picture has no room for such windows; 0 leaves the picture as it is.
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
        # Windows that its rows are in reach so far.
        seen = slice(max(0, first - 2 * radius), min(last + 2 * radius, height))
        sums, windows = sum_affine_fits(
            painted[:, :, seen], guide[:, :, seen], radius=radius, epsilon=epsilon
        )
        own = slice(first - seen.start, last - seen.start)
        found[:, :, first:last] = (sums / windows)[:, :, own].clamp_(0.0, 1.0)
    return found
