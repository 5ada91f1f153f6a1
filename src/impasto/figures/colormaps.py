"""Two perceptually uniform colour maps: a sequential one for [0, 1], and a diverging one for [−1, 1].

Both are defined in Oklab, where equal steps of lightness look equally large. Lightness is linear in the number, so
the maps also work in greyscale. The hue of the sequential map goes from violet over red to yellow.
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
# Blue for negative, white for zero, red for positive numbers; lightness falls equally on both sides.
_LESS: _Ramp = (0.97, 0.43), ((0.0, 250.0), (0.12, 250.0), (0.15, 258.0))
_MORE: _Ramp = (0.97, 0.43), ((0.0, 35.0), (0.15, 35.0), (0.15, 28.0))


def glow(values: Tensor) -> Tensor:
    """The sequential map: colours of numbers in [0, 1], larger ones lighter; numbers outside are clamped.

    Args:
        values: (…).

    Returns:
        (…, 3) sRGB in [0, 1].
    """
    return _look_up(_ramp(_GLOW), values)


def balance(values: Tensor) -> Tensor:
    """The diverging map: colours of numbers in [−1, 1], blue below 0, white at 0, red above.

    Args:
        values: (…).

    Returns:
        (…, 3) sRGB in [0, 1].
    """
    return _look_up(torch.cat([_ramp(_LESS).flip(0)[:-1], _ramp(_MORE)]), (values + 1.0) / 2.0)


@lru_cache(maxsize=3)
def _ramp(ramp: _Ramp) -> Tensor:
    """(256, 3) sRGB: linear in lightness, smooth through the control points."""
    (first, last), points = ramp
    at = torch.linspace(0.0, 1.0, _STEPS, dtype=torch.float64)
    # Interpolate a and b instead of chroma and hue, so that hues on both sides of 360 degrees need no special case.
    a, b = (
        _smooth([chroma * turn(math.radians(hue)) for chroma, hue in points], at)
        for turn in (math.cos, math.sin)
    )
    lab = torch.stack([torch.lerp(torch.full_like(at, first), torch.full_like(at, last), at), a, b])
    return from_oklab(lab[None, :, None])[0, :, 0].T.clamp(0.0, 1.0)


def _smooth(points: list[float], at: Tensor) -> Tensor:
    """The Catmull-Rom spline through evenly spaced points, at parameters in [0, 1]."""
    ended = torch.tensor([2 * points[0] - points[1], *points, 2 * points[-1] - points[-2]], dtype=at.dtype)
    place = at * (len(points) - 1)
    left = place.long().clamp(max=len(points) - 2)
    t = place - left
    before, here, there, beyond = (ended[left + offset] for offset in range(4))
    leaving, arriving = (there - before) / 2, (beyond - here) / 2
    cubic = (2 * here - 2 * there + leaving + arriving) * t + 3 * (there - here) - 2 * leaving - arriving
    return (cubic * t + leaving) * t + here


def _look_up(ramp: Tensor, values: Tensor) -> Tensor:
    """Colours of values in [0, 1], linearly interpolated in a ramp."""
    place = values.double().nan_to_num().clamp(0.0, 1.0) * (len(ramp) - 1)
    left = place.long().clamp(max=len(ramp) - 2)
    return torch.lerp(ramp[left], ramp[left + 1], (place - left).unsqueeze(-1))
