"""What the engine needs of a solver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from impasto.engine.evaluation import Evaluate
from impasto.engine.solvers.state import Chunked, State
from impasto.geometry import Size

BAND = 1 << 22
"""Values that elementwise work is done on at a time."""


@dataclass(frozen=True)
class Update:
    """One step of a solver.

    Attributes:
        x: the next point: the tensor that came, changed in place.
        loss, terms: the evaluation of the point that the step started from.
        ended: why the solver cannot go on from here, or None.
        moved: the largest change of a value, where the solver knows it; not finite if the picture no longer is.
        converged: whether it cannot go on because nothing is left to do.
    """

    x: Tensor
    loss: float
    terms: Mapping[str, float]
    ended: str | None = None
    moved: float | None = None
    converged: bool = False


class Solver(Protocol):
    """What the engine needs of a solver.

    Attributes:
        learning_rate: may be changed between two steps.
    """

    learning_rate: float

    def step(self, x: Tensor, evaluate: Evaluate) -> Update:
        """One step from ``x``, contiguous, in place. Of the evaluations it is given it uses the gradients up."""
        ...

    def best(self, x: Tensor) -> Tensor:
        """The picture to show and to save when the iterate is ``x``."""
        ...

    def restart(self) -> None:
        """Forget everything, as if new."""
        ...

    def resampled(self) -> None:
        """The loss is another sample of the same from here on: no two of its values may be compared across."""
        ...

    def resize(self, size: Size) -> None:
        """Go on at another (height, width); called before the picture is there, so that memory is free for it."""
        ...

    def bytes(self, size: Size, iterations: int) -> float:
        """Memory for what it remembers after so many iterations at a size, beside the picture and the gradient."""
        ...

    def state(self) -> dict[str, Tensor | Chunked]:
        """All there is to it: the tensors themselves, good until the next step."""
        ...

    def restore(self, state: State, x: Tensor) -> None:
        """Go on from ``state`` with the iterate ``x``."""
        ...
