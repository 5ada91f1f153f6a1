"""How long a picture should take: its arithmetic, divided by the speed of this machine in a short probe.

:mod:`impasto.transfer.pace` corrects it by what pictures have taken before.
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
from impasto.transfer.peak_memory import keeps_content_features, whole_costs

_FORWARD = 0.33  # of an evaluation
_PRODUCTS = 18.0  # of a loss of whole maps, with what is beside them, as arithmetic at the network's rate
_START = 2.5  # seconds of loading
_STRENGTH_EVALUATIONS = 90  # that measuring a strength takes, at 128 pixels
_ORDERING = 60e-9  # seconds to bring one number of many into order


@dataclass(frozen=True)
class Forecast:
    """The seconds that each part of a picture takes.

    Attributes:
        start: from the command to the first level: loading, reading the pictures.
        preparing: at each level, what its pictures are compared with.
        iteration: at each level, one iteration.
        by_arithmetic: at each level, one iteration as far as arithmetic says, with nothing learned.
        end: judging and writing the picture.
    """

    start: float
    preparing: tuple[float, ...]
    iteration: tuple[float, ...]
    by_arithmetic: tuple[float, ...]
    end: float

    def total(self, levels: Sequence[Level]) -> float:
        """Of all, with the iterations of the levels."""
        steps = sum(level.iterations * each for level, each in zip(levels, self.iteration, strict=True))
        return self.start + math.fsum(self.preparing) + steps + self.end


def forecast(
    recipe: Recipe, network: NetworkCost, levels: Sequence[Level], *, device: torch.device, dtype: torch.dtype
) -> Forecast:
    """The seconds of each part, from a probe of this machine.

    Args:
        recipe, levels: what is painted; tiles and sizes with their margin.
        network: what its encoder takes.
    """
    rate = _probe(device, dtype)

    def evaluation(size: Size) -> float:
        """Seconds of one."""
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
        again = 0.0 if keeps_content_features(recipe, network, level, dtype.itemsize) else _FORWARD * one
        iteration.append(one + again + matrices + _beside_the_network(recipe, network, level, rate))
        preparing.append(_FORWARD * (one + sum(map(evaluation, level.styles))))
    height, width = levels[-1].size
    start = _START
    if recipe.strength is not None and recipe.measured_for is None:
        start += _STRENGTH_EVALUATIONS * evaluation((96, 128))
    end = _FORWARD * evaluation(levels[-1].size) + 0.3e-6 * height * width
    return Forecast(start, tuple(preparing), tuple(iteration), tuple(iteration), end)


def _beside_the_network(recipe: Recipe, network: NetworkCost, level: Level, rate: float) -> float:
    """Seconds of one evaluation that photorealism and losses of whole maps take."""
    height, width = level.size
    seconds = PIXEL_SECONDS * height * width * bool(recipe.photo_weight)
    for _, _, cost in whole_costs(recipe, network, level):
        seconds += _PRODUCTS * cost.products / rate + _ORDERING * cost.ordered
    return seconds


@functools.cache
def _probe(device: torch.device, dtype: torch.dtype) -> float:
    """Arithmetic a second of a convolution like the network's."""
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
