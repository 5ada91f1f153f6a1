"""Adam on a picture, with an average of the iterates."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.engine.evaluation import Evaluate
from impasto.engine.solvers.solver import BAND, Update
from impasto.engine.solvers.state import Chunked, State, clone
from impasto.geometry import Size


class Adam:
    """Adam (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1), with an average of the iterates.

    Args:
        learning_rate: the step, in units of x.
        betas: decay rates of the two moments.
        eps: added to the root of the second moment.
        averaging: decay of the exponential moving average of the iterates, which includes the start; :meth:`best`
            returns the average. It removes the noise that a constant step leaves in the picture. 0 for no average.
        bounds: clamp every value to (low, high) after each step.
    """

    def __init__(
        self,
        *,
        learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        averaging: float = 0.0,
        bounds: tuple[float, float] | None = None,
    ) -> None:
        self.learning_rate = learning_rate
        self.betas = betas
        self.eps = eps
        self.averaging = averaging
        self.bounds = bounds
        self.restart()

    def restart(self) -> None:
        self._steps = 0
        self._moments: tuple[Tensor, Tensor] | None = None
        self._average: tuple[Tensor, float] | None = None  # with its total weight so far, up to 1

    def resampled(self) -> None: ...

    def resize(self, size: Size) -> None:
        self._average = None
        if self._moments is not None:
            first, second = self._moments
            # Bicubic interpolation overshoots, but a second moment must not be negative.
            # (crowsonkb style-transfer-pytorch, scale_adam)
            self._moments = (
                F.interpolate(first, size, mode="bicubic"),
                F.interpolate(second, size, mode="bilinear").relu(),
            )

    def best(self, x: Tensor) -> Tensor:
        if self._average is None:
            return x
        total, weight = self._average
        return total / weight

    def step(self, x: Tensor, evaluate: Evaluate) -> Update:
        at = evaluate(x)
        if not math.isfinite(at.loss):
            return Update(x, at.loss, at.terms, "the loss is not a finite number")
        if self.averaging and self._average is None:
            self._track(x)
        b1, b2 = self.betas
        if self._moments is None:
            self._moments = torch.zeros_like(x), torch.zeros_like(x)
        self._steps += 1
        rate = self.learning_rate / (1.0 - b1**self._steps)
        unbias = 1.0 / math.sqrt(1.0 - b2**self._steps)
        vectors = (torch.split(t.view(-1), BAND) for t in (x, at.gradient.contiguous(), *self._moments))
        for point, g, m, v in zip(*vectors, strict=True):
            m.lerp_(g, 1.0 - b1)
            v.mul_(b2).addcmul_(g, g, value=1.0 - b2)
            point.addcdiv_(m, v.sqrt().mul_(unbias).add_(self.eps), value=-rate)
            if self.bounds is not None:
                point.clamp_(*self.bounds)
        if self.averaging:
            self._track(x)
        return Update(x, at.loss, at.terms)

    def _track(self, x: Tensor) -> None:
        total, weight = self._average or (torch.zeros_like(x), 0.0)
        share = 1.0 - self.averaging
        self._average = (total.lerp_(x, share), weight + share * (1.0 - weight))

    def bytes(self, size: Size, iterations: int) -> float:
        return (2 + bool(self.averaging)) * 12 * math.prod(size)

    def state(self) -> dict[str, Tensor | Chunked]:
        state: dict[str, Tensor | Chunked] = {"steps": torch.tensor(self._steps)}
        if self._moments is not None:
            state |= {"m": self._moments[0], "v": self._moments[1]}
        if self._average is not None:
            total, weight = self._average
            state |= {"average": total, "average_weight": torch.tensor(weight, dtype=torch.float64)}
        return state

    def restore(self, state: State, x: Tensor) -> None:
        self._steps = int(clone(state["steps"]))
        self._moments = (
            (clone(state["m"]).to(x.device), clone(state["v"]).to(x.device)) if "m" in state else None
        )
        self._average = None
        if "average" in state:
            self._average = clone(state["average"]).to(x.device), float(clone(state["average_weight"]))
