"""The most memory that a picture takes at any time.

The memory is counted tensor by tensor as the engine holds them, level by level; what networks, solvers and losses
take, they say themselves. What cannot be counted, the holes that the C library's allocator keeps between them, is
fitted to the points of `benchmarks/memory.py`, so that no estimate is below what was measured. Checkpoints need no
count: they are written in pieces.
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

# Memory that was freed and not given back yet: so much, and a share of what the network took at all levels, up to a
# limit, since it is given back after each tile and level (engine/memory.py). By bytes of the network's numbers.
_HOLES, _HOLES_SHARE, _HOLES_MOST = 100e6, 1.6, {2: 800e6, 4: 1100e6}
_PICTURE = 12  # bytes a pixel of a float32 picture
_SOURCE = 12  # of the pictures as they came, while they are read


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
    """The most memory at any time, in bytes, when these levels are painted by a network of that item size."""
    pictures = _SOURCE * (_pixels(content) + sum(map(_pixels, styles)))
    most = 0.0
    for number, level in enumerate(levels):
        picture = _PICTURE * _pixels(level.size)
        photo = BAND_BYTES if recipe.photo_weight or recipe.photo_finish else 0.0
        solver = build_solver(recipe).bytes(level.size, level.iterations)
        kept = _content_bytes(recipe, network, level, itemsize)
        maps, whole = _whole_bytes(recipe, network, level, itemsize)
        kept += whole + (picture if recipe.photo_weight else 0.0)
        work = _work_bytes(recipe, network, level.size, itemsize)
        shown = max(_PICTURE * _pixels(size) for size in level.styles)
        styling = max(_work_bytes(recipe, network, size, itemsize) for size in level.styles)
        below = _PICTURE * _pixels(levels[number - 1].size) if number else 0.0
        most = max(
            most,
            # x, the gradient, the best x in 8 bits
            2.25 * picture + solver + kept + max(2 * maps + work, photo),
            picture + shown + styling + maps + whole,  # x, a style
            2 * picture + kept + work,  # x, the content
            1.7 * below + 1.8 * picture,  # going up, one colour at a time: x at both levels, the content
            3 * picture + kept + maps + work,  # the result, rounded
            3 * picture + kept + photo,  # the result, the photograph
        )
    if device.type != "cpu":
        return 1.1 * (network.weight_bytes(itemsize) + pictures + most)
    process = network.process_bytes(itemsize)
    process += network.kernel_bytes(math.sqrt(_pixels(levels[-1].size)), device, itemsize)
    freed = sum(_work_bytes(recipe, network, level.size, itemsize) for level in levels)
    holes = min(_HOLES_MOST[itemsize], _HOLES + _HOLES_SHARE * freed)
    return process + pictures + most + holes


def _pixels(size: Size) -> int:
    return size[0] * size[1]


def _content_bytes(recipe: Recipe, network: NetworkCost, level: Level, itemsize: int) -> float:
    """The content's features, or the content in half precision where they would be too large."""
    features = _feature_bytes(recipe, network, level, itemsize)
    return features if features <= CONTENT_BYTES else _PICTURE / 2 * _pixels(level.size)


def keeps_content_features(recipe: Recipe, network: NetworkCost, level: Level, itemsize: int) -> bool:
    """Whether the content's features are kept at a level, and not computed at every evaluation."""
    return _feature_bytes(recipe, network, level, itemsize) <= CONTENT_BYTES


def _feature_bytes(recipe: Recipe, network: NetworkCost, level: Level, itemsize: int) -> float:
    """The content's features at all of its layers."""
    return sum(
        network.channels(layer) * _pixels(level.size) / network.stride(layer) ** 2 * itemsize
        for layer, weight in recipe.content_layers.items()
        if weight and recipe.content_weight
    )


def _whole_bytes(recipe: Recipe, network: NetworkCost, level: Level, itemsize: int) -> tuple[float, float]:
    """For losses that need whole maps: the largest picture's maps; what is kept of others and the most work."""
    maps: dict[tuple[str, Size], float] = {}
    kept = work = 0.0
    for term, size, cost in whole_costs(recipe, network, level):
        channels, stride = network.channels(term.layer), network.stride(term.layer)
        for at in (size, level.size):
            maps[term.layer, at] = channels * _pixels(at) / stride**2 * itemsize
        kept += cost.target_bytes
        work = max(work, cost.work_bytes)
    sizes = {at for _, at in maps}
    return max(
        (sum(b for (_, at), b in maps.items() if at == each) for each in sizes), default=0.0
    ), kept + work


def whole_costs(
    recipe: Recipe, network: NetworkCost, level: Level
) -> Iterator[tuple[FeatureMapTerm, Size, Cost]]:
    """Each term that needs whole maps, with each picture's size that it is compared with, and its cost."""
    for term in build_objective(recipe):
        if isinstance(term, FeatureMapTerm):
            stride = network.stride(term.layer)
            for size in level.styles if term.of == "style" else (level.size,):
                pixels, others = (math.ceil(_pixels(each) / stride**2) for each in (level.size, size))
                yield term, size, term.loss.cost(network.channels(term.layer), pixels, others)


def _work_bytes(recipe: Recipe, network: NetworkCost, size: Size, itemsize: int) -> float:
    """The network's work on one tile."""
    return network.work_bytes(size, tile=recipe.tile, seamless=recipe.seamless, itemsize=itemsize)


def available(device: torch.device) -> int:
    """Bytes that can be had: of the GPU, or of the machine or the container we are in."""
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
