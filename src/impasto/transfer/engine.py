"""The seam between a session and what paints: what an engine is given, and what it must do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from impasto.assembly.masks import Masks
from impasto.assembly.networks import Encoder, Progress
from impasto.engine.evaluation import Evaluation
from impasto.engine.pyramid import Level
from impasto.engine.solvers.state import State
from impasto.engine.steering import Course, Finish, Steering
from impasto.engine.step import Step
from impasto.recipes.recipe import Recipe
from impasto.transfer.pictures import Pictures
from impasto.transfer.planner import Plan
from impasto.transfer.resources import Resources


@dataclass(frozen=True)
class Materials:
    """What an engine paints with.

    Attributes:
        pictures: read, on the device.
        masks: a recipe's masks.
        finish: how pictures painted by a recipe are finished: colours, masks, cut-outs.
        device, dtype: what is computed on, and in.
        tf32: whether CUDA may round float32 to TF32.
        resources: loads the network.
        encoder: a network of the user's own, instead of the recipe's.
        progress: called with (bytes done, bytes in all) while weights are downloaded.
    """

    pictures: Pictures
    masks: Callable[[Recipe], Masks]
    finish: Callable[[Recipe], Finish]
    device: torch.device
    dtype: torch.dtype
    tf32: bool
    resources: Resources
    encoder: Encoder | None
    progress: Progress | None


@dataclass(frozen=True)
class FinalPicture:
    """The picture that an engine ends with.

    Attributes:
        image: (1, 3, H, W) in [0, 1], not finished.
        judged: its losses as it will be saved, in 8 bits.
        notes: what there is to say about it, one line each.
    """

    image: Tensor
    judged: Evaluation
    notes: tuple[str, ...]


class Engine(Protocol):
    """Paints one picture. The recipe is the session's: settings change, and each method is given the newest.

    Made as ``engine(recipe, materials)``, which raises ParameterError where sizes do not fit. Nothing is loaded and
    nothing large is computed before :meth:`load`.

    Attributes:
        levels: the sizes that are worked at and the iterations at each, coarse to fine; the last is the result's.
    """

    levels: Sequence[Level]

    def plan(self, recipe: Recipe, memory: int | None) -> Plan | None:
        """What it will take.

        Args:
            memory: bytes that may be used; None takes what the machine has free.

        Returns:
            the plan, with the recipe changed so that it fits; None where nobody knows.

        Raises:
            ParameterError: it does not fit, whatever is changed.
        """
        ...

    def check_changes(self, recipe: Recipe) -> None:
        """Refuse changes while painting that cannot be made at their time.

        Raises:
            ParameterError: with the reason.
        """
        ...

    def load(self, recipe: Recipe) -> None:
        """Make everything ready to compute.

        Raises:
            InputError: the network's weights cannot be used.
        """
        ...

    def balance(self, recipe: Recipe) -> Recipe:
        """The recipe with all that its strength comes to, once loaded.

        Raises:
            ParameterError: there is nothing to balance.
        """
        ...

    def course(self, recipe: Recipe, done: int) -> Course:
        """What the step after ``done`` iterations goes by; the same objective is the same ``prepare``."""
        ...

    def steps(self, recipe: Recipe, steering: Steering, resume: State | None) -> Iterator[Step]:
        """Paint, from the start or from what :meth:`impasto.engine.step.Step.state` gave.

        Raises:
            DivergedError: it cannot go on.
        """
        ...

    def final_picture(self, recipe: Recipe, last: Step) -> FinalPicture:
        """The picture after ``last``, at its final size, judged."""
        ...
