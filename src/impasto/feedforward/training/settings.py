"""Settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from impasto.feedforward.network import Architecture


@dataclass(frozen=True)
class Stage:
    """A part of a run.

    Attributes:
        start: as a share of the run.
        size: side of the pictures in pixels.
        batch: pictures per step.
    """

    start: float
    size: int
    batch: int


@dataclass(frozen=True)
class Weights:
    """Weights of the terms (:mod:`impasto.feedforward.training.objective`)."""

    content: float = 1.0
    style: float = 2.0
    pixels: float = 2.0
    steady: float = 20.0
    range: float = 2.0
    smooth: float = 0.02
    code: float = 0.1


@dataclass(frozen=True)
class Settings:
    """A training run.

    Attributes:
        seed: random seed of the initial weights and of the crops.
        stages: the first starts at 0.
        own: share of a batch whose style is interpolated between the content's own style and another.
        mixed: share of a batch whose style is interpolated between two other styles.
        rate: the maximum learning rate.
        warmup: share of the run in which the learning rate rises to its maximum.
        last_rate: learning rate at the end, as a share of the maximum.
        averaging: decay of the weights' running mean, over about 1 / (1 - averaging) steps.
        gradient_norm: gradients are clipped to this norm.
        precision: of the convolutions.
    """

    architecture: Architecture = field(default_factory=Architecture)
    seed: int = 0
    stages: tuple[Stage, ...] = (Stage(0.0, 256, 16), Stage(0.85, 384, 8))
    own: float = 0.18
    mixed: float = 0.12
    rate: float = 1e-3
    warmup: float = 0.02
    last_rate: float = 0.02
    averaging: float = 0.999
    gradient_norm: float = 10.0
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    weights: Weights = field(default_factory=Weights)
