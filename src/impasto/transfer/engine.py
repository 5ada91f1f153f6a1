"""The engine's interface: its inputs, its result, and the methods that a session calls."""

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
    """The inputs of an engine.

    Attributes:
        pictures: the session's pictures, on the device.
        masks: recipe -> its masks.
        finish: recipe -> the function that restores colours, kept regions and alpha in a picture.
        device, dtype: device and number type of the computation.
        tf32: whether CUDA may round float32 to TF32.
        resources: loads the network.
        encoder: the user's network object, which replaces the recipe's network.
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
    """An engine's final picture.

    Attributes:
        image: (1, 3, H, W) in [0, 1], before ``Materials.finish``.
        judged: the losses of the picture rounded to 8 bits.
        notes: remarks for the user, one line each.
    """

    image: Tensor
    judged: Evaluation
    notes: tuple[str, ...]


class Engine(Protocol):
    """Paints one picture. The session owns the recipe; it may change, and every method gets the current one.

    An engine is built as ``engine(recipe, materials)``, which raises ParameterError for unusable sizes. Nothing is
    loaded and nothing large is computed before :meth:`load`.

    Attributes:
        levels: sizes and iterations, coarse to fine; the last size is the result's.
    """

    levels: Sequence[Level]

    def plan(self, recipe: Recipe, memory: int | None) -> Plan | None:
        """Estimate memory and time.

        Args:
            memory: limit in bytes; None uses the machine's free memory.

        Returns:
            the plan, with a recipe that fits into memory; None where the network's cost is unknown.

        Raises:
            ParameterError: no setting of tiles and history fits into memory.
        """
        ...

    def check_changes(self, recipe: Recipe) -> None:
        """Refuse scheduled changes that are impossible at their iteration.

        Raises:
            ParameterError: the message gives the reason.
        """
        ...

    def load(self, recipe: Recipe) -> None:
        """Load everything that the computation needs.

        Raises:
            InputError: the network's weights cannot be used.
        """
        ...

    def balance(self, recipe: Recipe) -> Recipe:
        """The recipe with the weights for its strength; call it after :meth:`load`.

        Raises:
            ParameterError: the pictures give no gradient to balance.
        """
        ...

    def course(self, recipe: Recipe, done: int) -> Course:
        """Objective, learning rate and finish of the step after ``done`` iterations.

        Equal objectives return the identical ``prepare``.
        """
        ...

    def steps(self, recipe: Recipe, steering: Steering, resume: State | None) -> Iterator[Step]:
        """Iterate, from the start or from a state of :meth:`impasto.engine.step.Step.state`.

        Raises:
            DivergedError: the optimisation diverged.
        """
        ...

    def final_picture(self, recipe: Recipe, last: Step) -> FinalPicture:
        """The picture after ``last``, at its final size, with its losses."""
        ...
