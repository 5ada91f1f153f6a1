"""Estimate of the peak memory of a picture.

The engine's tensors are counted one by one, level by level; networks, solvers and losses give their own formulas.
Fragmentation of the C library's heap cannot be counted. It is fitted to the points of `benchmarks/memory.py`, so that
no estimate is below the measured peak. Checkpoints add nothing: they are written in pieces.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from impasto.assembly.networks import NetworkCost
from impasto.assembly.objective import build_objective
from impasto.assembly.schedule import build_solver
from impasto.engine.pyramid import Level
from impasto.engine.tiling.gradient import CONTENT_BYTES
from impasto.geometry import Size
from impasto.losses.cost import Cost
from impasto.losses.matting import BAND_BYTES
from impasto.losses.objective import FeatureMapTerm
from impasto.recipes.recipe import Recipe

# Fragmentation, memory that is freed but not returned to the system: a constant, plus a share of the network's memory
# at all levels, up to a limit, because it is released after each tile and level (engine/memory.py). The limit depends
# on the item size of the network's numbers.
_FRAGMENTED, _FRAGMENTED_SHARE, _MAX_FRAGMENTED = 100e6, 1.6, {2: 800e6, 4: 1100e6}
_PICTURE = 12  # bytes per pixel of a float32 picture
_SOURCE = 12  # bytes per pixel of an input picture while it is read


def peak(
    recipe: Recipe,
    network: NetworkCost,
    *,
    content: Size,
    styles: Sequence[Size],
    levels: Sequence[Level],
    device: torch.device,
    itemsize: int,
) -> float:
    """Peak memory in bytes for these levels; ``itemsize`` is that of the network's number type, in bytes."""
    pictures = _SOURCE * (_pixels(content) + sum(map(_pixels, styles)))
    most = 0.0
    for number, level in enumerate(levels):
        picture = _PICTURE * _pixels(level.size)
        photo = BAND_BYTES if recipe.photo_weight or recipe.photo_finish else 0.0
        solver = build_solver(recipe).bytes(level.size, level.iterations)
        targets = _content_bytes(recipe, network, level, itemsize)
        maps, whole = _feature_map_bytes(recipe, network, level, itemsize)
        targets += whole + (picture if recipe.photo_weight else 0.0)
        work = _work_bytes(recipe, network, level.size, itemsize)
        style = max(_PICTURE * _pixels(size) for size in level.styles)
        styling = max(_work_bytes(recipe, network, size, itemsize) for size in level.styles)
        below = _PICTURE * _pixels(levels[number - 1].size) if number else 0.0
        most = max(
            most,
            # x, the gradient, the best x in 8 bits
            2.25 * picture + solver + targets + max(2 * maps + work, photo),
            picture + style + styling + maps + whole,  # x, a style
            2 * picture + targets + work,  # x, the content
            1.7 * below + 1.8 * picture,  # upsampling, one channel at a time: x at both levels, the content
            3 * picture + targets + maps + work,  # the result, rounded
            3 * picture + targets + photo,  # the result, the photograph
        )
    if device.type != "cpu":
        return 1.1 * (network.weight_bytes(itemsize) + pictures + most)
    process = network.process_bytes(itemsize)
    process += network.kernel_bytes(math.sqrt(_pixels(levels[-1].size)), device, itemsize)
    freed = sum(_work_bytes(recipe, network, level.size, itemsize) for level in levels)
    fragmented = min(_MAX_FRAGMENTED[itemsize], _FRAGMENTED + _FRAGMENTED_SHARE * freed)
    return process + pictures + most + fragmented


def _pixels(size: Size) -> int:
    return size[0] * size[1]


def _content_bytes(recipe: Recipe, network: NetworkCost, level: Level, itemsize: int) -> float:
    """Bytes of the content's features, or of the content in half precision where the features would be too large."""
    features = _feature_bytes(recipe, network, level, itemsize)
    return features if features <= CONTENT_BYTES else _PICTURE / 2 * _pixels(level.size)


def caches_content_features(recipe: Recipe, network: NetworkCost, level: Level, itemsize: int) -> bool:
    """Whether the content's features are cached at a level, instead of computed at every evaluation."""
    return _feature_bytes(recipe, network, level, itemsize) <= CONTENT_BYTES


def _feature_bytes(recipe: Recipe, network: NetworkCost, level: Level, itemsize: int) -> float:
    """Bytes of the content's features at all content layers."""
    return sum(
        network.channels(layer) * _pixels(level.size) / network.stride(layer) ** 2 * itemsize
        for layer, weight in recipe.content_layers.items()
        if weight and recipe.content_weight
    )


def _feature_map_bytes(
    recipe: Recipe, network: NetworkCost, level: Level, itemsize: int
) -> tuple[float, float]:
    """Bytes for losses of full feature maps: the largest picture's maps; targets plus the most working memory."""
    maps: dict[tuple[str, Size], float] = {}
    targets = work = 0.0
    for term, size, cost in feature_map_costs(recipe, network, level):
        channels, stride = network.channels(term.layer), network.stride(term.layer)
        for at in (size, level.size):
            maps[term.layer, at] = channels * _pixels(at) / stride**2 * itemsize
        targets += cost.target_bytes
        work = max(work, cost.work_bytes)
    sizes = {at for _, at in maps}
    return max(
        (sum(b for (_, at), b in maps.items() if at == each) for each in sizes), default=0.0
    ), targets + work


def feature_map_costs(
    recipe: Recipe, network: NetworkCost, level: Level
) -> Iterator[tuple[FeatureMapTerm, Size, Cost]]:
    """Each term of full feature maps, with the size of each of its target pictures, and its cost."""
    for term in build_objective(recipe):
        if isinstance(term, FeatureMapTerm):
            stride = network.stride(term.layer)
            for size in level.styles if term.of == "style" else (level.size,):
                pixels, others = (math.ceil(_pixels(each) / stride**2) for each in (level.size, size))
                yield term, size, term.loss.cost(network.channels(term.layer), pixels, others)


def _work_bytes(recipe: Recipe, network: NetworkCost, size: Size, itemsize: int) -> float:
    """The network's working memory for one tile, in bytes."""
    return network.work_bytes(size, tile=recipe.tile, seamless=recipe.seamless, itemsize=itemsize)


def available_memory(device: torch.device) -> int:
    """Free memory in bytes: of the GPU, of the machine, or of the container that this process runs in."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory())
    import psutil

    found = int(psutil.virtual_memory().available) + int(psutil.Process().memory_info().rss)
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            found = min(found, int(Path(name).read_text()))
        except (OSError, ValueError):
            continue  # no such limit, or "max"
    return found
