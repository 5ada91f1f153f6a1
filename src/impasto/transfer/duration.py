"""How long a picture takes: arithmetic, divided by what this machine shows in a tenth of a second."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence

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
_ORDERING = 60e-9  # seconds to bring one number of many into order


def duration(
    recipe: Recipe, network: NetworkCost, levels: Sequence[Level], *, device: torch.device, dtype: torch.dtype
) -> float:
    """Seconds from start to saved picture, from a probe of this machine."""
    rate = _probe(device, dtype)

    def evaluation(size: Size) -> float:
        """Seconds of one."""
        return (
            network.arithmetic(size, tile=recipe.tile, seamless=recipe.seamless, dtype=dtype, device=device)
            / rate
        )

    height, width = levels[-1].size
    seconds = 2.5 + 0.3e-6 * height * width  # loading; reading and writing the pictures
    for number, level in enumerate(levels):
        forward = 1.0 + (number == len(levels) - 1)  # the content; the result, to judge it
        if not keeps_content_features(recipe, network, level, dtype.itemsize):
            forward += level.iterations
        beside = forward * evaluation(level.size) + sum(map(evaluation, level.styles))
        one = evaluation(level.size) + _beside_the_network(recipe, network, level, rate)
        seconds += level.iterations * one + _FORWARD * beside
    products = sum(
        term.loss.cost(network.channels(term.layer)).products
        for term in build_objective(recipe)
        if isinstance(term, StyleTerm)
    )
    return seconds + sum(level.iterations for level in levels) * 2 * products / _probe(device, torch.float32)


def _beside_the_network(recipe: Recipe, network: NetworkCost, level: Level, rate: float) -> float:
    """Seconds of one evaluation that photorealism and losses of whole maps take."""
    height, width = level.size
    seconds = PIXEL_SECONDS * height * width * bool(recipe.photo_weight)
    for _, _, cost in whole_costs(recipe, network, level):
        seconds += _PRODUCTS * cost.products / rate + _ORDERING * cost.sorted_values
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
