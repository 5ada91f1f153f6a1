"""How fast pictures are painted: the time left, and what pictures have taken on this machine before.

What a level takes an iteration is measured while it is painted, and kept in the cache folder when a picture is done.
The next plan uses it: as it is for the same settings at the same size, else as a correction of the forecast.
"""

from __future__ import annotations

import hashlib
import json
import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from impasto.engine.pyramid import Level
from impasto.engine.step import Progress
from impasto.errors import ImpastoError
from impasto.files import cache_folder, replacing
from impasto.measured import machine
from impasto.recipes.recipe import Recipe
from impasto.transfer.forecast import Forecast

_RECENT = 15  # iterations whose median counts
_ENOUGH = 3  # iterations at a level, to be kept
_ENTRIES = 2000  # kept of a machine; the oldest go
_NEW = 0.6  # the weight of what was measured now, against what was kept
# What the time of an iteration depends on, besides the sizes.
_SETTINGS = (
    *("encoder", "pooling", "padding", "content_layers", "content_loss", "style_layers", "style_loss"),
    *("style_losses", "style_target_layers", "photo_weight", "seamless", "margin", "tile", "engine"),
    *("optimizer", "history", "history_memory", "spectral_exponent", "averaging", "faithful"),
)


class Pace:
    """Measures the steps of one painting, and says how long the rest takes.

    Args:
        levels: that are worked at.
        expected: the forecast; without one, iterations are taken to cost as their pixels do.
    """

    def __init__(self, levels: Sequence[Level], expected: Forecast | None) -> None:
        self._levels = levels
        pixels = [1e-6 * level.size[0] * level.size[1] for level in levels]
        self._expected = expected or Forecast(0.0, (0.0,) * len(pixels), tuple(pixels), tuple(pixels), 0.0)
        self._times: dict[int, deque[float]] = {}  # by level
        self._first: dict[int, float] = {}  # the first iteration of a level, which also prepares it

    def add(self, level: int, iteration: int, seconds: float) -> None:
        """One iteration has taken so long."""
        if iteration == 1:
            self._first[level] = seconds
        else:
            self._times.setdefault(level, deque(maxlen=_RECENT)).append(seconds)

    def left(self, step: Progress) -> float | None:
        """Seconds from this step to the saved picture; None until an iteration has been measured."""
        ratio = self._ratio(step.level)
        if ratio is None:
            return None
        expected, ahead = self._expected, range(step.level + 1, len(self._levels))
        here = (step.iterations - step.iteration) * ratio * expected.iteration[step.level]
        later = sum(
            expected.preparing[number] + self._levels[number].iterations * expected.iteration[number]
            for number in ahead
        )
        return here + ratio * (later + expected.end)

    def iteration(self, level: int) -> float | None:
        """Median seconds of an iteration at a level; None where too few were measured."""
        times = self._times.get(level, ())
        return statistics.median(times) if len(times) >= _ENOUGH else None

    def preparing(self, level: int) -> float | None:
        """Seconds of preparing a level."""
        one = self.iteration(level)
        return None if one is None or level not in self._first else max(0.0, self._first[level] - one)

    def _ratio(self, level: int) -> float | None:
        """Measured by expected seconds of an iteration, at this level or the last one before."""
        for number in range(level, -1, -1):
            times = self._times.get(number)
            if times:
                return statistics.median(times) / self._expected.iteration[number]
        return None


def corrected(
    expected: Forecast, recipe: Recipe, levels: Sequence[Level], *, device: torch.device, dtype: torch.dtype
) -> Forecast:
    """The forecast, corrected by what was learned on this machine.

    Args:
        expected: by arithmetic.
        recipe, levels: what is painted.
    """
    known = _read()
    kind = f"{device.type} {dtype}"
    iteration, preparing = [], []
    for number, level in enumerate(levels):
        ratio = _nearest(known, kind, level)
        exact = _exact(recipe, level, kind)
        iteration.append(known.get(f"iteration {exact}", ratio * expected.by_arithmetic[number]))
        preparing.append(known.get(f"preparing {exact}", ratio * expected.preparing[number]))
    end = known.get(f"end {_exact(recipe, levels[-1], kind)}", expected.end)
    start = expected.start
    if recipe.strength is None:
        start = known.get(f"start {recipe.encoder} {kind}", start)
    return replace(expected, start=start, preparing=tuple(preparing), iteration=tuple(iteration), end=end)


def learn(
    pace: Pace,
    expected: Forecast,
    recipe: Recipe,
    levels: Sequence[Level],
    *,
    start: float | None,
    end: float,
    device: torch.device,
    dtype: torch.dtype,
) -> None:
    """Keep what a picture has taken, for :func:`corrected`. Where nothing can be written, nothing is kept.

    Args:
        expected: the forecast.
        start: seconds of loading; None where it is not comparable.
        end: seconds of judging.
    """
    kind = f"{device.type} {dtype}"
    found: dict[str, float] = {f"end {_exact(recipe, levels[-1], kind)}": end}
    if start is not None:
        found[f"start {recipe.encoder} {kind}"] = start
    for number, level in enumerate(levels):
        one, before = pace.iteration(number), pace.preparing(number)
        if one is None:
            continue
        exact = _exact(recipe, level, kind)
        found[f"iteration {exact}"] = one
        if before is not None:
            found[f"preparing {exact}"] = before
        found[_bucket(kind, level)] = one / expected.by_arithmetic[number]
    known = _read()
    for key, value in found.items():
        old = known.pop(key, value)
        known[key] = float(f"{old + _NEW * (value - old):.4g}")
    _write(dict(list(known.items())[-_ENTRIES:]))


def _exact(recipe: Recipe, level: Level, kind: str) -> str:
    """Names the settings and sizes that an iteration's time depends on."""
    settings = recipe.model_dump(mode="json", include={*_SETTINGS})
    everything = (settings, level.size, level.styles, kind)
    return hashlib.blake2b(repr(everything).encode(), digest_size=8).hexdigest()


def _bucket(kind: str, level: Level, shift: int = 0) -> str:
    """Names all pictures of about a level's size, or of a power of two as many pixels."""
    return f"ratio {kind} {round(math.log2(level.size[0] * level.size[1])) + shift}"


def _nearest(known: Mapping[str, float], kind: str, level: Level) -> float:
    """Measured by expected time of pictures about as large; 1 where nothing is known."""
    for shift in sorted(range(-8, 9), key=abs):
        if (key := _bucket(kind, level, shift)) in known:
            return known[key]
    return 1.0


def _read() -> dict[str, float]:
    """What was learned on this machine."""
    try:
        kept: Any = json.loads(_path().read_bytes())
    except (OSError, ValueError, ImpastoError):
        return {}
    if not isinstance(kept, dict):
        return {}
    return {
        key: float(value)
        for key, value in kept.items()
        if isinstance(value, int | float) and math.isfinite(value) and value > 0
    }


def _write(known: Mapping[str, float]) -> None:
    try:
        path = _path()
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(json.dumps(known, indent=0).encode())
    except (OSError, ImpastoError):
        return  # a full or read-only disk


def _path() -> Path:
    digest = hashlib.sha256(json.dumps(machine(), sort_keys=True).encode()).hexdigest()
    return cache_folder() / "pace" / f"{digest[:16]}.json"
