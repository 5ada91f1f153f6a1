"""What a picture will take, before anything is computed: peak memory, time, and what to do where it does not fit.

The memory is counted tensor by tensor as the engine holds them, level by level. What cannot be counted, the holes
that the C library's allocator keeps between them, is fitted to the points of `benchmarks/memory.py`, so that no
estimate is below what was measured. Checkpoints need no count: they are written in pieces. Time is the
convolutions' arithmetic divided by what this machine shows in a tenth of a second.
"""

from __future__ import annotations

import functools
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from impasto.assembly.objective import build_objective
from impasto.assembly.schedule import HISTORY_MEMORY, build_solver, margin
from impasto.encoders.vgg import Pooling
from impasto.encoders.weights import ARCHITECTURES
from impasto.engine.pyramid import Level
from impasto.engine.solvers.lbfgs import LBFGS
from impasto.engine.tiling.gradient import CONTENT_BYTES
from impasto.errors import ParameterError
from impasto.geometry import Size
from impasto.kernels.fastest import Fastest, fastest, kernel_bytes
from impasto.losses.cost import Cost
from impasto.losses.objective import FeatureMapTerm
from impasto.recipes.recipe import Recipe

# What the process takes with the network's weights read and nothing painted. By bytes of the network's numbers, as
# the next three.
_PROCESS = {2: 440e6, 4: 370e6}
# Memory that was freed and not given back yet: so much, and a share of what the network took at all levels, up to a
# limit, since it is given back after each tile and level (engine/memory.py).
_HOLES, _HOLES_SHARE, _HOLES_MOST = 100e6, 1.6, {2: 800e6, 4: 1100e6}
# Passes of the convolutions' forward arithmetic that an evaluation takes the time of: what is not arithmetic counts
# more where matrix units do the arithmetic.
_PASSES = {"direct": 7.0, "plain": 3.3, "products": 2.75, "winograd-4": 2.9, "winograd-6": 2.9}
_FORWARD = 0.33  # of an evaluation
_PRODUCTS = 6.0  # of a loss of whole maps, with what is beside them, as arithmetic at the network's rate
_ORDERING = 60e-9  # seconds to bring one number of many into order
_EIGENVALUES = 60  # as many products as those take the time of
_CHANNELS = (64, 128, 256, 512, 512)
_PICTURE = 12  # bytes a pixel of a float32 picture
_PHOTO_BAND = 50e6  # a band's sums over windows, in float64
_PHOTO_SECONDS = 0.5e-6  # a pixel's, for each evaluation
_SOURCE = 12  # of the pictures as they came, while they are read
# Pixels that a tile is shown around it, by pooling.
MARGINS: dict[Pooling, int] = {"max": 80, "average": 80, "l2": 80, "max-blur": 96}
# How many times as long an evaluation takes as with maxima and zeros (docs/log.md).
_POOLING_TAKES = {"max-blur": 1.13}
_PADDING_TAKES = {"replicate": 1.09, "reflect": 1.1}
_SIDES = (2048, 1024, 512)  # of tiles, tried in this order


@dataclass(frozen=True)
class Plan:
    """What a picture will take.

    Attributes:
        recipe: with the tiles and the history that fit.
        levels: sizes and iterations.
        memory: the most at any time, in bytes; of the process on a CPU, of the allocator on a GPU.
        seconds: from start to saved picture.
        limit: bytes there are.
        notes: what had to be changed to make it fit, one line each.
    """

    recipe: Recipe
    levels: tuple[Level, ...]
    memory: int
    seconds: float
    limit: int
    notes: tuple[str, ...]


def draw_up(
    recipe: Recipe,
    *,
    content: Size,
    styles: Sequence[Size],
    levels: Sequence[Level],
    device: torch.device,
    dtype: torch.dtype,
    memory: int | None = None,
) -> Plan:
    """The plan for pictures of those sizes.

    Args:
        recipe: the settings. Its tiles and history are kept where they fit.
        content, styles: sizes of the pictures as they come.
        levels: to work through.
        memory: bytes that may be used; None takes what the machine has free.

    Raises:
        ParameterError: it does not fit even so; says what would.
    """
    limit = available(device) if memory is None else memory
    recipe = with_history_for(recipe, device, limit)

    more = 2 * margin(recipe, levels)

    def wide(at: Sequence[Level]) -> list[Level]:
        return [replace(level, size=(level.size[0] + more, level.size[1] + more)) for level in at]

    def with_margin(candidate: Recipe) -> Recipe:
        """Its tiles as they are cut: none is made for the margin."""
        return candidate.model_copy(update={"tile": candidate.tile and candidate.tile + more})

    def bytes_of(candidate: Recipe, at: Sequence[Level]) -> int:
        return round(
            peak(
                with_margin(candidate),
                content=content,
                styles=styles,
                levels=wide(at),
                device=device,
                itemsize=dtype.itemsize,
            )
        )

    best = recipe
    for candidate in _candidates(recipe):
        best = candidate
        if bytes_of(candidate, levels) <= limit:
            break
    needed = bytes_of(best, levels)
    if needed > limit:
        coarsest = recipe.smallest / recipe.ratio**0.5
        raise ParameterError(_refusal(needed, limit, levels, coarsest, lambda at: bytes_of(best, at)))
    changes = [
        f"{name.replace('_', ' ')}: {getattr(best, name)} instead of {getattr(recipe, name)}, to fit {show(limit)}"
        for name in ("tile", "history_memory")
        if getattr(best, name) != getattr(recipe, name)
    ]
    seconds = duration(with_margin(best), wide(levels), device=device, dtype=dtype)
    return Plan(best, tuple(levels), needed, seconds, limit, tuple(changes))


def with_history_for(recipe: Recipe, device: torch.device, limit: int) -> Recipe:
    """With a quarter of a GPU's free memory for the pairs of L-BFGS, where the recipe leaves it to the device.

    At half the precision, or in a file, they would be what a GPU waits for, whose memory is mostly free otherwise.
    """
    if recipe.history_memory is not None or device.type != "cuda":
        return recipe
    megabytes = max(HISTORY_MEMORY, limit // 4_000_000)
    return recipe.model_copy(update={"history_memory": min(megabytes, 1_000_000)})


def _candidates(recipe: Recipe) -> list[Recipe]:
    """The recipe, then ways to the same picture that take less memory: smaller tiles, then less history."""
    sides = [side for side in _SIDES if not recipe.tile or side < recipe.tile]
    found = [recipe, *(recipe.model_copy(update={"tile": side}) for side in sides)]
    if recipe.optimizer != "adam":
        smallest = found[-1]
        found += [
            smallest.model_copy(update={"history_memory": megabytes})
            for megabytes in (100, 1)
            if recipe.history_memory == 0 or megabytes < (recipe.history_memory or HISTORY_MEMORY)
        ]
    return found


def _refusal(
    needed: int,
    limit: int,
    levels: Sequence[Level],
    coarsest: float,
    bytes_of: Callable[[Sequence[Level]], int],
) -> str:
    """What to say; ``coarsest`` is the least long side of a level that is not the last."""
    height, width = levels[-1].size
    low, high = 16, max(height, width)
    while high - low > 16:
        middle = (low + high) // 2
        scale = middle / max(height, width)
        smaller = [
            Level(
                (max(1, round(level.size[0] * scale)), max(1, round(level.size[1] * scale))),
                tuple((max(1, round(h * scale)), max(1, round(w * scale))) for h, w in level.styles),
                level.iterations,
            )
            for level in levels
            if max(level.size) * scale >= coarsest or level is levels[-1]
        ]
        low, high = (middle, high) if bytes_of(smaller) <= limit else (low, middle)
    fits = f"a long side of {low // 16 * 16} would fit" if low >= 32 else "no size would fit"
    return (
        f"size: {width}x{height} needs {show(needed)} of memory, there are {show(limit)} (--memory); {fits}"
    )


def peak(
    recipe: Recipe,
    *,
    content: Size,
    styles: Sequence[Size],
    levels: Sequence[Level],
    device: torch.device,
    itemsize: int,
) -> float:
    """The most memory at any time, in bytes, when a VGG of that item size paints these levels."""
    pictures = _SOURCE * (_pixels(content) + sum(map(_pixels, styles)))
    most = 0.0
    for number, level in enumerate(levels):
        picture = _PICTURE * _pixels(level.size)
        photo = _PHOTO_BAND if recipe.photo_weight or recipe.photo_finish else 0.0
        solver, kept = _solver_bytes(recipe, level), _content_bytes(recipe, level, itemsize)
        maps, whole = _whole_bytes(recipe, level, itemsize)
        kept += whole + (picture if recipe.photo_weight else 0.0)
        network = _network_bytes(recipe, level.size, itemsize)
        shown = max(_PICTURE * _pixels(size) for size in level.styles)
        styling = max(_network_bytes(recipe, size, itemsize) for size in level.styles)
        below = _PICTURE * _pixels(levels[number - 1].size) if number else 0.0
        most = max(
            most,
            # x, the gradient, the best x in 8 bits
            2.25 * picture + solver + kept + max(2 * maps + network, photo),
            picture + shown + styling + maps + whole,  # x, a style
            2 * picture + kept + network,  # x, the content
            1.7 * below + 1.8 * picture,  # going up, one colour at a time: x at both levels, the content
            3 * picture + kept + maps + network,  # the result, rounded
            3 * picture + kept + photo,  # the result, the photograph
        )
    if device.type != "cpu":
        return 1.1 * (40e6 * itemsize + pictures + most)
    process = _PROCESS[itemsize] + _kernel_bytes(
        recipe, math.sqrt(_pixels(levels[-1].size)), device, itemsize
    )
    freed = sum(_network_bytes(recipe, level.size, itemsize) for level in levels)
    holes = min(_HOLES_MOST[itemsize], _HOLES + _HOLES_SHARE * freed)
    return process + pictures + most + holes


def _pixels(size: Size) -> int:
    return size[0] * size[1]


def _solver_bytes(recipe: Recipe, level: Level) -> float:
    """What the solver remembers at a level."""
    picture = _PICTURE * _pixels(level.size)
    if recipe.optimizer == "adam":
        return (2 + bool(recipe.averaging)) * picture
    solver = build_solver(recipe)
    assert isinstance(solver, LBFGS)
    pairs, storage = solver.keeps(torch.empty(1, 3, *level.size, device="meta"))
    if storage == "file":
        return 30e6
    rows = 1 + 2 * min(pairs + 1, level.iterations)
    lines = 3 if recipe.optimizer == "lbfgs-wolfe" else 0  # trial points and their gradients
    return picture * (rows * (0.5 if storage == "half" else 1.0) + lines)


def _content_bytes(recipe: Recipe, level: Level, itemsize: int) -> float:
    """The content's features, or the content in half precision where they would be too large."""
    features = 0.0
    for layer, weight in recipe.content_layers.items():
        if weight and recipe.content_weight:
            block, stride = _place(layer)
            features += _CHANNELS[block - 1] * _pixels(level.size) / stride**2 * itemsize
    return features if features <= CONTENT_BYTES else _PICTURE / 2 * _pixels(level.size)


def _whole_bytes(recipe: Recipe, level: Level, itemsize: int) -> tuple[float, float]:
    """For losses that need whole maps: the largest picture's maps; what is kept of others and the most work."""
    maps: dict[tuple[str, Size], float] = {}
    kept = work = 0.0
    for term, size, cost in _whole_costs(recipe, level):
        channels, stride = _CHANNELS[_place(term.layer)[0] - 1], _place(term.layer)[1]
        for at in (size, level.size):
            maps[term.layer, at] = channels * _pixels(at) / stride**2 * itemsize
        kept += cost.kept
        work = max(work, cost.work)
    sizes = {at for _, at in maps}
    return max(
        (sum(b for (_, at), b in maps.items() if at == each) for each in sizes), default=0.0
    ), kept + work


def _whole_costs(recipe: Recipe, level: Level) -> Iterator[tuple[FeatureMapTerm, Size, Cost]]:
    """Each term that needs whole maps, with each picture's size that it is compared with."""
    for term in build_objective(recipe):
        if isinstance(term, FeatureMapTerm):
            block, stride = _place(term.layer)
            for size in level.styles if term.of == "style" else (level.size,):
                pixels, others = (math.ceil(_pixels(each) / stride**2) for each in (level.size, size))
                yield term, size, term.loss.cost(_CHANNELS[block - 1], pixels, others)


def _network_bytes(recipe: Recipe, size: Size, itemsize: int) -> float:
    """The network's work on one tile."""
    shown = _shown(recipe, size)
    sides = [min(side, recipe.tile + 2 * MARGINS[recipe.pooling]) if recipe.tile else side for side in shown]
    pixels = sides[0] * sides[1]
    # What each block is given, on the way there, and its gradients on the way back: 33 and 24 values a pixel; the
    # picture before and after it is normalised, its gradient.
    maps = pixels * (itemsize * (33 + 24) + 3 * _PICTURE)
    # Strips: a block's maps and their gradients.
    strip = {2: 8e6, 4: 64e6}[itemsize]
    # Not all of it at once.
    return 0.7 * (maps + min(10 * strip, pixels * itemsize * 64 * 6))


def _shown(recipe: Recipe, size: Size) -> Size:
    """What the network is shown of a picture of one tile: a seamless one has a margin all around."""
    around = 2 * MARGINS[recipe.pooling] if recipe.seamless else 0
    return size[0] + around, size[1] + around


def _kernel_bytes(recipe: Recipe, side: float, device: torch.device, itemsize: int) -> float:
    """The kernels as they are computed with, there and back, up to relu5_1."""
    dtype = torch.bfloat16 if itemsize == 2 else torch.float32
    total = 0
    for name, (out, into, _, _) in ARCHITECTURES[recipe.encoder].shapes().items():
        for channels in ((into, out), (out, into)):
            total += kernel_bytes(channels, dtype, device, side)
        if name == "conv5_1":
            break
    return total


def _place(layer: str) -> tuple[int, int]:
    """Block and stride of a layer such as relu4_2 or pool3."""
    found = re.search(r"\d", layer)
    block = int(found[0]) if found else 1
    return block, 1 << (block - (not layer.startswith("pool")))


def duration(recipe: Recipe, levels: Sequence[Level], *, device: torch.device, dtype: torch.dtype) -> float:
    """Seconds from start to saved picture, from a probe of this machine."""
    network = ARCHITECTURES[recipe.encoder].convolutions
    rate = _probe(device, dtype) / _PASSES[fastest((128, 128), dtype, device, 384)]
    seconds = 2.5 + 0.3e-6 * _pixels(levels[-1].size)  # loading; reading and writing the pictures
    for number, level in enumerate(levels):
        evaluation = _evaluation_seconds(recipe, level.size, network, rate)
        beside = sum(_evaluation_seconds(recipe, size, network, rate) for size in level.styles)
        forward = 1.0 + (number == len(levels) - 1)  # the content; the result, to judge it
        if _content_bytes(recipe, level, dtype.itemsize) == _PICTURE / 2 * _pixels(level.size):
            forward += level.iterations
        seconds += level.iterations * evaluation + _FORWARD * (forward * evaluation + beside)
    # By iteration: twelve steps of three products of C x C matrices, and twice as many back; eigenvalues in float64.
    matrices = {"wasserstein-newton-schulz": 12 * 3 * 3, "wasserstein": _EIGENVALUES}
    products = 2 * sum(
        part_of * _CHANNELS[_place(layer)[0] - 1] ** 3
        for layer in recipe.style_layers
        for name in recipe.losses_at(layer)
        if (part_of := matrices.get(name, 0))
    )
    seconds += sum(level.iterations for level in levels) * products / _probe(device, torch.float32)
    for level in levels:
        seconds += level.iterations * _PHOTO_SECONDS * _pixels(level.size) * bool(recipe.photo_weight)
        for _, _, cost in _whole_costs(recipe, level):
            seconds += level.iterations * (_PRODUCTS * cost.products / rate + _ORDERING * cost.ordered)
    return seconds


def _evaluation_seconds(recipe: Recipe, size: Size, network: Sequence[int], rate: float) -> float:
    arithmetic, below = 0.0, 3
    for block, (count, channels) in enumerate(zip(network, _CHANNELS, strict=True)):
        for _ in range(count if block < 4 else 1):
            arithmetic += 2 * 9 * below * channels / 4**block
            below = channels
    side = recipe.tile
    if side and max(size) > side:
        shown = _pixels(size) * (1 + 2 * MARGINS[recipe.pooling] / side) ** 2
    else:
        shown = _pixels(_shown(recipe, size))
    longer = _POOLING_TAKES.get(recipe.pooling, 1.0) * _PADDING_TAKES.get(recipe.padding, 1.0)
    return longer * arithmetic * shown / rate


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


def show(size: float) -> str:
    """Bytes as people write them."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
