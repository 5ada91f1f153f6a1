"""A solver: steps of one length along the gradient."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from impasto.engine.evaluation import Evaluate
from impasto.engine.solvers.solver import Update
from impasto.geometry import Size


class Descent:
    learning_rate = 2.0

    def step(self, x: Tensor, evaluate: Evaluate) -> Update:
        at = evaluate(x)
        x.sub_(self.learning_rate * at.gradient / at.gradient.abs().mean()).clamp_(0.0, 255.0)
        return Update(x, at.loss, at.terms)

    def best(self, x: Tensor) -> Tensor:
        return x

    def restart(self) -> None: ...

    def resampled(self) -> None: ...

    def resize(self, size: Size) -> None: ...

    def bytes(self, size: Size, iterations: int) -> float:
        return 0.0

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Any, x: Tensor) -> None: ...
