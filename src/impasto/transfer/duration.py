"""Estimate of a picture's time: arithmetic divided by this machine's rate, from a probe of a tenth of a second."""

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
from impasto.transfer.peak_memory import caches_content_features, feature_map_costs

_FORWARD = 0.33  # time of a forward pass, as a share of an evaluation
_PRODUCTS = 18.0  # cost of a product in a loss of full feature maps, overhead included, at the network's rate
_ORDERING = 60e-9  # seconds per number to sort


def duration(
    recipe: Recipe, network: NetworkCost, levels: Sequence[Level], *, device: torch.device, dtype: torch.dtype
) -> float:
    """Seconds from start to saved picture, from a probe of this machine."""
    rate = _probe(device, dtype)

    def evaluation(size: Size) -> float:
        """Seconds of one evaluation at that size."""
        return (
            network.arithmetic(size, tile=recipe.tile, seamless=recipe.seamless, dtype=dtype, device=device)
            / rate
        )

    height, width = levels[-1].size
    seconds = 2.5 + 0.3e-6 * height * width  # loading; reading and writing the pictures
    for number, level in enumerate(levels):
        forward = 1.0 + (number == len(levels) - 1)  # the content; at the last level also the result's losses
        if not caches_content_features(recipe, network, level, dtype.itemsize):
            forward += level.iterations
        beside = forward * evaluation(level.size) + sum(map(evaluation, level.styles))
        one = evaluation(level.size) + _seconds_beside_network(recipe, network, level, rate)
        seconds += level.iterations * one + _FORWARD * beside
    products = sum(
        term.loss.cost(network.channels(term.layer)).products
        for term in build_objective(recipe)
        if isinstance(term, StyleTerm)
    )
    return seconds + sum(level.iterations for level in levels) * 2 * products / _probe(device, torch.float32)


def _seconds_beside_network(recipe: Recipe, network: NetworkCost, level: Level, rate: float) -> float:
    """Seconds of the photo term and of losses of full feature maps, in one evaluation."""
    height, width = level.size
    seconds = PIXEL_SECONDS * height * width * bool(recipe.photo_weight)
    for _, _, cost in feature_map_costs(recipe, network, level):
        seconds += _PRODUCTS * cost.products / rate + _ORDERING * cost.ordered
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
