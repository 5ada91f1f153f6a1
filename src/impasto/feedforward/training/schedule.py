"""How far a run has come: by the clock, or by counting steps where it has to be repeatable."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from impasto.feedforward.training.settings import Settings, Stage


class Progress(Protocol):
    """The share of a run that is over before a step; 1 or more ends it."""

    def __call__(self, step: int) -> float: ...


@dataclass(frozen=True)
class ByTime:
    """By the clock: however fast the machine, the run ends in time and ends well.

    Attributes:
        end: when the run is over, as ``clock`` tells it.
        start: when it began.
        clock: seconds.
    """

    end: float
    clock: Callable[[], float] = time.monotonic
    start: float = field(default=-1.0)

    def __post_init__(self) -> None:
        if self.start < 0:
            object.__setattr__(self, "start", self.clock())

    def __call__(self, step: int) -> float:
        return (self.clock() - self.start) / max(self.end - self.start, 1e-9)


@dataclass(frozen=True)
class BySteps:
    """By counting: the same settings and seed give the same weights on the same machine."""

    steps: int

    def __call__(self, step: int) -> float:
        return step / self.steps


def learning_rate(settings: Settings, progress: float) -> float:
    """A linear rise, then half a cosine (Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5)."""
    if progress < settings.warmup:
        return settings.rate * max(progress / settings.warmup, 0.02)
    share = min(1.0, (progress - settings.warmup) / (1.0 - settings.warmup))
    falling = 0.5 * (1.0 + math.cos(math.pi * share))
    return settings.rate * (settings.last_rate + (1.0 - settings.last_rate) * falling)


def stage(settings: Settings, progress: float) -> Stage:
    """The stage that a run is in."""
    return [stage for stage in settings.stages if stage.start <= progress][-1]
