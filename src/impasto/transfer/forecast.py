"""Forecast of a picture's time: arithmetic divided by this machine's rate, from a probe of a tenth of a second.

:mod:`impasto.transfer.pace` corrects the forecast by what pictures took before.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from impasto.assembly.networks import NetworkCost
from impasto.assembly.objective import build_objective
from impasto.engine.pyramid import Level
from impasto.geometry import Size
from impasto.kernels.fastest import Fastest
from impasto.losses.matting import PIXEL_SECONDS
from impasto.losses.objective import StyleTerm
from impasto.recipes.recipe import Recipe
from impasto.transfer.peak_memory import caches_content_features, feature_map_costs

_FORWARD = 0.33  # time of a forward pass, as a share of an evaluation
_PRODUCTS = 18.0  # cost of a product in a loss of full feature maps, overhead included, at the network's rate
_ORDERING = 60e-9  # seconds per number to sort
_START = 2.5  # seconds of loading
_STRENGTH_EVALUATIONS = 90  # of a strength's measurement, at 128 pixels


@dataclass(frozen=True)
class Forecast:
    """Seconds of each part of a picture.

    Attributes:
        start: loading the network and reading the pictures.
        preparing: computing the targets, for each level.
        iteration: one iteration, for each level.
        by_arithmetic: one iteration, for each level, before any correction.
        end: evaluating and writing the result.
    """

    start: float
    preparing: tuple[float, ...]
    iteration: tuple[float, ...]
    by_arithmetic: tuple[float, ...]
    end: float

    def total(self, levels: Sequence[Level]) -> float:
        """Seconds from start to saved picture."""
        steps = sum(level.iterations * each for level, each in zip(levels, self.iteration, strict=True))
        return self.start + math.fsum(self.preparing) + steps + self.end


def forecast(
    recipe: Recipe, network: NetworkCost, levels: Sequence[Level], *, device: torch.device, dtype: torch.dtype
) -> Forecast:
    """Seconds of each part, from a probe of this machine.

    Args:
        recipe, levels: what is painted; tiles and sizes with their margin.
        network: what its encoder takes.
    """
    rate = _probe(device, dtype)

    def evaluation(size: Size) -> float:
        """Seconds of one evaluation at that size."""
        return (
            network.arithmetic(size, tile=recipe.tile, seamless=recipe.seamless, dtype=dtype, device=device)
            / rate
        )

    products = sum(
        term.loss.cost(network.channels(term.layer)).products
        for term in build_objective(recipe)
        if isinstance(term, StyleTerm)
    )
    matrices = 2 * products / _probe(device, torch.float32)
    iteration, preparing = [], []
    for level in levels:
        one = evaluation(level.size)
        again = 0.0 if caches_content_features(recipe, network, level, dtype.itemsize) else _FORWARD * one
        iteration.append(one + again + matrices + _seconds_beside_network(recipe, network, level, rate))
        preparing.append(_FORWARD * (one + sum(map(evaluation, level.styles))))
    height, width = levels[-1].size
    start = _START
    if recipe.strength is not None and recipe.measured_for is None:
        start += _STRENGTH_EVALUATIONS * evaluation((96, 128))
    end = _FORWARD * evaluation(levels[-1].size) + 0.3e-6 * height * width
    return Forecast(start, tuple(preparing), tuple(iteration), tuple(iteration), end)


def _seconds_beside_network(recipe: Recipe, network: NetworkCost, level: Level, rate: float) -> float:
    """Seconds of the photo term and of losses of full feature maps, in one evaluation."""
    height, width = level.size
    seconds = PIXEL_SECONDS * height * width * bool(recipe.photo_weight)
    for _, _, cost in feature_map_costs(recipe, network, level):
        seconds += _PRODUCTS * cost.products / rate + _ORDERING * cost.sorted_values
    return seconds


@functools.cache
def _probe(device: torch.device, dtype: torch.dtype) -> float:
    """Rate in FLOP/s of a convolution like the network's."""
    generator = torch.Generator().manual_seed(0)
    x, kernel = (
        torch.rand(shape, generator=generator).to(device, dtype, memory_format=torch.channels_last)
        for shape in ((1, 128, 192, 192), (128, 128, 3, 3))
    )
    convolve = Fastest(kernel)
    with torch.no_grad():
        best = float("inf")
        for _ in range(8):
            started = time.perf_counter()
            float(convolve(x, None, (1, 1, 1, 1))[0, 0, 0, 0])
            best = min(best, time.perf_counter() - started)
    return 2 * 9 * 128 * 128 * 192 * 192 / best
