"""The interface between the engine and a solver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from impasto.engine.evaluation import Evaluate
from impasto.engine.solvers.state import Chunked, State
from impasto.geometry import Size

BAND = 1 << 22
"""Values per band in elementwise operations."""


@dataclass(frozen=True)
class Update:
    """One step of a solver.

    Attributes:
        x: the next point: the tensor given to :meth:`Solver.step`, changed in place.
        loss, terms: the evaluation of the point before the step.
        ended: why the solver cannot continue from here, or None.
        moved: the largest change of a value, or None if the solver does not compute it; not finite if the picture is
            not finite.
        converged: whether ``ended`` means convergence.
    """

    x: Tensor
    loss: float
    terms: Mapping[str, float]
    ended: str | None = None
    moved: float | None = None
    converged: bool = False


class Solver(Protocol):
    """A solver of one picture.

    Attributes:
        learning_rate: may be changed between two steps.
    """

    learning_rate: float

    def step(self, x: Tensor, evaluate: Evaluate) -> Update:
        """Take one step from ``x``, contiguous, in place. Overwrites the gradients that ``evaluate`` returns."""
        ...

    def best(self, x: Tensor) -> Tensor:
        """The picture to show and to save when the current iterate is ``x``."""
        ...

    def restart(self) -> None:
        """Discard all state, as in a new solver."""
        ...

    def resampled(self) -> None:
        """Called when the losses change to another random sample; losses from before and after do not compare."""
        ...

    def resize(self, size: Size) -> None:
        """Change to another (height, width); called before the new picture is allocated, so free memory here."""
        ...

    def bytes(self, size: Size, iterations: int) -> float:
        """Memory of the solver after ``iterations`` at a size, in bytes, without the picture and the gradient."""
        ...

    def state(self) -> dict[str, Tensor | Chunked]:
        """The whole state, as tensors without copies, valid until the next step."""
        ...

    def restore(self, state: State, x: Tensor) -> None:
        """Continue from ``state`` with the iterate ``x``."""
        ...
