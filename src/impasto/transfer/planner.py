"""Plan a picture before anything is computed: peak memory, time, and changes that make it fit into memory.

:mod:`impasto.transfer.peak_memory` estimates the memory, :mod:`impasto.transfer.duration` the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from impasto.assembly.networks import NetworkCost
from impasto.assembly.schedule import HISTORY_MEMORY, margin
from impasto.engine.pyramid import Level
from impasto.errors import ParameterError
from impasto.geometry import Size
from impasto.recipes.recipe import Recipe
from impasto.transfer.forecast import Forecast, forecast
from impasto.transfer.pace import corrected
from impasto.transfer.peak_memory import available_memory, peak

_SIDES = (2048, 1024, 512)  # of tiles in pixels, tried in this order


@dataclass(frozen=True)
class Plan:
    """A picture's estimated memory and time.

    Attributes:
        recipe: with tiles and history that fit into memory.
        levels: sizes and iterations.
        memory: peak memory in bytes; of the process on a CPU, of the allocator on a GPU.
        forecast: seconds of each part.
        limit: memory limit in bytes.
        notes: settings changed to fit, one line each.
    """

    recipe: Recipe
    levels: tuple[Level, ...]
    memory: int
    forecast: Forecast
    limit: int
    notes: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """From start to saved picture."""
        return self.forecast.total(self.levels)


def make_plan(
    recipe: Recipe,
    network: NetworkCost,
    *,
    content: Size,
    styles: Sequence[Size],
    levels: Sequence[Level],
    device: torch.device,
    dtype: torch.dtype,
    memory: int | None = None,
) -> Plan:
    """Plan a picture from inputs of those sizes.

    Args:
        recipe: the settings. Tile size and history are unchanged if they fit.
        network: the cost of the recipe's encoder.
        content, styles: original sizes of the pictures.
        levels: sizes and iterations.
        memory: limit in bytes; None uses the machine's free memory.

    Raises:
        ParameterError: it does not fit with any tile size and history; the message gives a size that fits.
    """
    limit = available_memory(device) if memory is None else memory
    recipe = with_history_budget(recipe, device, limit)

    more = 2 * margin(recipe, levels)

    def wide(at: Sequence[Level]) -> list[Level]:
        return [replace(level, size=(level.size[0] + more, level.size[1] + more)) for level in at]

    def with_margin(candidate: Recipe) -> Recipe:
        """The tile size in use: tiles are enlarged by the margin, so that no extra tile is needed for it."""
        return candidate.model_copy(update={"tile": candidate.tile and candidate.tile + more})

    def bytes_of(candidate: Recipe, at: Sequence[Level]) -> int:
        return round(
            peak(
                with_margin(candidate),
                network,
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
        f"{name.replace('_', ' ')}: {getattr(best, name)} instead of {getattr(recipe, name)}, "
        f"to fit {format_bytes(limit)}"
        for name in ("tile", "history_memory")
        if getattr(best, name) != getattr(recipe, name)
    ]
    expected = forecast(with_margin(best), network, wide(levels), device=device, dtype=dtype)
    expected = corrected(expected, best, levels, device=device, dtype=dtype)
    return Plan(best, tuple(levels), needed, expected, limit, tuple(changes))


def with_history_budget(recipe: Recipe, device: torch.device, limit: int) -> Recipe:
    """The recipe with a quarter of a GPU's free memory for the L-BFGS history, unless the recipe sets a limit.

    A history in half precision, or in a file, would slow a GPU down, while most of the GPU's memory is free.
    """
    if recipe.history_memory is not None or device.type != "cuda":
        return recipe
    megabytes = max(HISTORY_MEMORY, limit // 4_000_000)
    return recipe.model_copy(update={"history_memory": min(megabytes, 1_000_000)})


def _candidates(recipe: Recipe) -> list[Recipe]:
    """The recipe, then variants for the same picture that need less memory: smaller tiles, then less history."""
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
    """The error message, with a size that fits; ``coarsest`` is the least long side of levels before the last."""
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
        f"size: {width}x{height} needs {format_bytes(needed)} of memory, "
        f"the limit is {format_bytes(limit)} (--memory); {fits}"
    )


def format_bytes(size: float) -> str:
    """Bytes as text, such as "800 MB" or "1.5 GB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
