"""Progress of a run, by time or, for reproducible runs, by steps; learning rate and stage by progress."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from impasto.feedforward.training.settings import Settings, Stage


class Progress(Protocol):
    """The share of a run that is done before a step; 1 or more ends the run."""

    def __call__(self, step: int) -> float: ...


@dataclass(frozen=True)
class ByTime:
    """Progress by time: on any machine, the run ends on time with a complete learning rate schedule.

    Attributes:
        end: time of ``clock`` at the end of the run.
        start: time of ``clock`` at the start; now by default.
        clock: returns seconds.
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
    """Progress by steps: equal settings and seed give equal weights on the same machine."""

    steps: int

    def __call__(self, step: int) -> float:
        return step / self.steps


def learning_rate(settings: Settings, progress: float) -> float:
    """Linear warm-up, then cosine decay (Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5)."""
    if progress < settings.warmup:
        return settings.rate * max(progress / settings.warmup, 0.02)
    share = min(1.0, (progress - settings.warmup) / (1.0 - settings.warmup))
    falling = 0.5 * (1.0 + math.cos(math.pi * share))
    return settings.rate * (settings.last_rate + (1.0 - settings.last_rate) * falling)


def stage(settings: Settings, progress: float) -> Stage:
    """The stage at that progress."""
    return [stage for stage in settings.stages if stage.start <= progress][-1]
