"""What a training run is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from impasto.feedforward.network import Architecture


@dataclass(frozen=True)
class Stage:
    """A part of a run.

    Attributes:
        start: when it begins, as a share of the run.
        size: pixels of the pictures' sides.
        batch: pictures a step.
    """

    start: float
    size: int
    batch: int


@dataclass(frozen=True)
class Weights:
    """How much each term counts (:mod:`impasto.feedforward.training.objective`)."""

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
        seed: another seed, another start and other pieces of pictures.
        stages: the first begins at 0.
        own: the share of a batch that is painted between its own style and another's.
        mixed: the share that is painted between two styles.
        rate: the highest learning rate.
        warmup: the share of the run in which it rises to that.
        last_rate: the share of it that is left at the end.
        averaging: the weights that are kept are a mean over about 1 / (1 - averaging) steps.
        gradient_norm: longer gradients are shortened to this.
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
