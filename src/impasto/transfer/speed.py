"""Estimate the time of pictures on this machine, from a few timed evaluations of the default objective."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

import torch

from impasto.assembly.device import choose_device, choose_precision
from impasto.assembly.networks import ENCODERS, build_encoder
from impasto.assembly.objective import build_evaluation, build_objective, min_side
from impasto.assembly.schedule import build_levels
from impasto.geometry import Size
from impasto.recipes.fields import Quality
from impasto.recipes.presets import resolve

MEASURED: tuple[int, ...] = (96, 192, 384)
"""Long sides of the timed evaluations, in pixels."""

_OVERHEAD = 3.0
"""Seconds for starting, reading, the final evaluation and writing."""


def evaluation_seconds(device_name: str = "auto", precision: str = "auto") -> dict[int, float]:
    """Long side -> seconds of one evaluation of the default objective with its gradient, for 4:3 pictures."""
    device = choose_device(device_name)
    dtype, _ = choose_precision(precision, device, exact=False)
    recipe = resolve()
    encoder = build_encoder(recipe).to(device=device, dtype=dtype)
    prepare = build_evaluation(encoder, build_objective(recipe), [1.0], white_level=recipe.white_level)
    found = {}
    for side in MEASURED:
        generator = torch.Generator().manual_seed(0)
        content, style, x = (torch.rand(1, 3, *_size(side), generator=generator).to(device) for _ in range(3))
        evaluate = prepare(lambda content=content: content, [lambda style=style: style])  # type: ignore[misc]
        evaluate(x * recipe.white_level)
        best = math.inf
        for _ in range(3):
            started = time.perf_counter()
            evaluate(x * recipe.white_level)
            best = min(best, time.perf_counter() - started)
        found[side] = best
    return found


def picture_seconds(side: int, quality: Quality, evaluations: Mapping[int, float]) -> float:
    """Seconds of a 4:3 picture with default settings.

    Args:
        side: long side in pixels.
        quality: "draft" or "standard".
        evaluations: from :func:`evaluation_seconds`.
    """
    recipe = resolve(quality=quality, size=side)
    levels = build_levels(
        recipe,
        _size(side),
        [_size(side)],
        min_side=min_side(ENCODERS[recipe.encoder], build_objective(recipe)),
    )
    return _OVERHEAD + math.fsum(level.iterations * _at(max(level.size), evaluations) for level in levels)


def table(sides: Sequence[int], evaluations: Mapping[int, float]) -> dict[Quality, list[float]]:
    """Quality -> seconds of a picture, one for each long side."""
    qualities: tuple[Quality, ...] = ("draft", "standard")
    return {quality: [picture_seconds(side, quality, evaluations) for side in sides] for quality in qualities}


def _size(side: int) -> Size:
    return side * 3 // 4, side


def _at(side: int, evaluations: Mapping[int, float]) -> float:
    """Seconds of one evaluation: a power law between measured sides, proportional to pixels beyond the largest."""
    known = sorted(evaluations)
    if side >= known[-1]:
        return evaluations[known[-1]] * math.pow(side / known[-1], 2)
    below = max((each for each in known[:-1] if each <= side), default=known[0])
    above = known[known.index(below) + 1]
    power = math.log(evaluations[above] / evaluations[below]) / math.log(above / below)
    return evaluations[below] * math.pow(side / below, power)
