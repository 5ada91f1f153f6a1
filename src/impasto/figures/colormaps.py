"""A colour map of our own for numbers from 0 to 1, and one for numbers with a sign, even to the eye.

Both are drawn in Oklab, where equal steps of lightness look equally large: lightness follows the number in a straight
line, so a step anywhere looks as large as anywhere else, and the pictures read as well in grey. Hue only helps: from
violet over red to yellow, as things glow.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from impasto.color import from_oklab

_STEPS = 256

# Lightness at both ends, and control points (chroma, hue in degrees) evenly spaced between them.
_Ramp = tuple[tuple[float, float], tuple[tuple[float, float], ...]]
_GLOW: _Ramp = (0.12, 0.98), ((0.03, 290.0), (0.15, 300.0), (0.20, 0.0), (0.155, 55.0), (0.06, 105.0))
# Blue for less, white for none, red for more: lightness falls alike to both sides.
_LESS: _Ramp = (0.97, 0.43), ((0.0, 250.0), (0.12, 250.0), (0.15, 258.0))
_MORE: _Ramp = (0.97, 0.43), ((0.0, 35.0), (0.15, 35.0), (0.15, 28.0))


def glow(values: Tensor) -> Tensor:
    """Colours of numbers in [0, 1], the larger the lighter; what is outside counts as the nearest end.

    Args:
        values: (…).

    Returns:
        (…, 3) sRGB in [0, 1].
    """
    return _look_up(_ramp(_GLOW), values)


def balance(values: Tensor) -> Tensor:
    """Colours of numbers in [−1, 1]: blue below 0, white at 0, red above, the darker the further.

    Args:
        values: (…).

    Returns:
        (…, 3) sRGB in [0, 1].
    """
    return _look_up(torch.cat([_ramp(_LESS).flip(0)[:-1], _ramp(_MORE)]), (values + 1.0) / 2.0)


@lru_cache(maxsize=3)
def _ramp(ramp: _Ramp) -> Tensor:
    """(256, 3) sRGB: straight in lightness, smooth through the control points."""
    (first, last), points = ramp
    at = torch.linspace(0.0, 1.0, _STEPS, dtype=torch.float64)
    # a and b, not chroma and hue, are interpolated: no detour where the hue passes 360 degrees.
    a, b = (
        _smooth([chroma * turn(math.radians(hue)) for chroma, hue in points], at)
        for turn in (math.cos, math.sin)
    )
    lab = torch.stack([torch.lerp(torch.full_like(at, first), torch.full_like(at, last), at), a, b])
    return from_oklab(lab[None, :, None])[0, :, 0].T.clamp(0.0, 1.0)


def _smooth(points: list[float], at: Tensor) -> Tensor:
    """The Catmull-Rom curve through evenly spaced points, at places in [0, 1]."""
    ended = torch.tensor([2 * points[0] - points[1], *points, 2 * points[-1] - points[-2]], dtype=at.dtype)
    place = at * (len(points) - 1)
    left = place.long().clamp(max=len(points) - 2)
    t = place - left
    before, here, there, beyond = (ended[left + offset] for offset in range(4))
    leaving, arriving = (there - before) / 2, (beyond - here) / 2
    cubic = (2 * here - 2 * there + leaving + arriving) * t + 3 * (there - here) - 2 * leaving - arriving
    return (cubic * t + leaving) * t + here


def _look_up(ramp: Tensor, values: Tensor) -> Tensor:
    """Between the ramp's steps, in a straight line."""
    place = values.double().nan_to_num().clamp(0.0, 1.0) * (len(ramp) - 1)
    left = place.long().clamp(max=len(ramp) - 2)
    return torch.lerp(ramp[left], ramp[left + 1], (place - left).unsqueeze(-1))
