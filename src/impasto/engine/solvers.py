"""L-BFGS and Adam over a picture: state in, state out.

A solver takes one step at a time. It is given a point and a way to evaluate it, and returns the next point
together with the evaluation of the point it was given. Its state is a flat dict of tensors, so it can be
written to a file that holds nothing but tensors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.engine.evaluation import Evaluate, Evaluation
from impasto.engine.line_search import strong_wolfe

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Update:
    """One step of a solver.

    Attributes:
        x: the next point.
        at: the evaluation of the point that the step started from.
        ended: why the solver sees nothing left to do from here, or None.
    """

    x: Tensor
    at: Evaluation
    ended: str | None = None


class Solver(Protocol):
    """What the engine needs of a solver."""

    def step(self, x: Tensor, evaluate: Evaluate) -> Update: ...

    def best(self, x: Tensor) -> Tensor:
        """The picture to show and to save when the iterate is ``x``."""
        ...

    def restart(self) -> None:
        """Forget everything, as if new."""
        ...

    def resize(self, x: Tensor) -> None:
        """Go on at another size, from ``x``."""
        ...

    def state(self) -> dict[str, Tensor]: ...

    def restore(self, state: State) -> None: ...


class LBFGS:
    """Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.5).

    Args:
        history: curvature pairs kept.
        history_bytes: memory for them: fewer are kept where they would take more, but never fewer than three; 0 sets
            no limit. Twenty pairs of a large picture would be the largest thing in memory.
        line_search: take the step that meets the strong Wolfe conditions, at the price of more evaluations.
        learning_rate: the step length without a line search.
        first_move: root mean square of the first step, in units of x. 0 takes the first two steps of
            torch.optim.LBFGS, which established tools inherit: a tiny one of length learning_rate / |g|₁, and,
            when that one finds negative curvature, the raw gradient, which overshoots.
        bounds: keep every value within (low, high): the gradient is projected, so that the solver works on the
            picture that will be saved.
        tolerance: when the largest gradient entry, or change of x, is below, the solver reports its end.
    """

    def __init__(
        self,
        *,
        history: int = 100,
        history_bytes: int = 0,
        line_search: bool = False,
        learning_rate: float = 1.0,
        first_move: float = 0.0,
        bounds: tuple[float, float] | None = None,
        tolerance: tuple[float, float] = (1e-7, 1e-9),
    ) -> None:
        self.history = history
        self.history_bytes = history_bytes
        self.line_search = line_search
        self.learning_rate = learning_rate
        self.first_move = first_move
        self.bounds = bounds
        self.tolerance = tolerance
        self.restart()

    def restart(self) -> None:
        self._s: list[Tensor] = []  # steps
        self._y: list[Tensor] = []  # the gradient's changes along them
        self._last: tuple[Tensor, Tensor] | None = None  # x and its gradient, one step ago
        self._known: Evaluation | None = None  # at the current x, when the line search already has it

    def resize(self, x: Tensor) -> None:
        # Curvature does not carry over: the pairs belong to another space.
        self.restart()

    def best(self, x: Tensor) -> Tensor:
        return x

    def step(self, x: Tensor, evaluate: Evaluate) -> Update:
        at = self._known or evaluate(x)
        self._known = None
        if not math.isfinite(at.loss):
            return Update(x, at, "the loss is not a finite number")
        gradient = self._projected(x, at.gradient)
        first = self._last is None
        self._remember(x, gradient)
        if float(gradient.abs().max()) <= self.tolerance[0]:
            return Update(x, at, "the gradient is zero")
        direction = self._direction(gradient)
        slope = float((gradient * direction).sum())
        if slope > -self.tolerance[1]:
            return Update(x, at, "no direction leads downhill")
        length = self._length(gradient, direction, first=first)
        if self.line_search:
            trial = strong_wolfe(lambda t: evaluate(self._clamped(x + t * direction)), at, direction, length)
            length, self._known = trial.t, trial.evaluation
        following = self._clamped(x + length * direction)
        moved = float((following - x).abs().max())
        return Update(following, at, "the step is zero" if moved <= self.tolerance[1] else None)

    def _projected(self, x: Tensor, gradient: Tensor) -> Tensor:
        """The gradient without the entries that push a value out of its bounds."""
        if self.bounds is None:
            return gradient
        low, high = self.bounds
        stuck = ((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0))
        return gradient.masked_fill(stuck, 0.0)

    def _clamped(self, x: Tensor) -> Tensor:
        return x if self.bounds is None else x.clamp(*self.bounds)

    def _remember(self, x: Tensor, gradient: Tensor) -> None:
        if self._last is not None:
            s, y = x - self._last[0], gradient - self._last[1]
            # Only positive curvature keeps the matrix positive definite.
            if float((s * y).sum()) > 1e-10:
                self._s.append(s)
                self._y.append(y)
                pairs = self._pairs(x)
                del self._s[:-pairs], self._y[:-pairs]
        self._last = (x, gradient)

    def _pairs(self, x: Tensor) -> int:
        """How many pairs are kept at the size of ``x``."""
        if not self.history_bytes:
            return self.history
        return min(self.history, max(3, self.history_bytes // (2 * x.numel() * x.element_size())))

    def _direction(self, gradient: Tensor) -> Tensor:
        """−H g by the two-loop recursion (N&W algorithm 7.4)."""
        q = -gradient
        if not self._s:
            return q
        pairs = [(s, y, 1.0 / float((s * y).sum())) for s, y in zip(self._s, self._y, strict=True)]
        alphas = []
        for s, y, rho in reversed(pairs):
            alpha = rho * float((s * q).sum())
            q = q - alpha * y
            alphas.append(alpha)
        s, y, rho = pairs[-1]
        r = q / (rho * float((y * y).sum()))
        for (s, y, rho), alpha in zip(pairs, reversed(alphas), strict=True):
            r = r + (alpha - rho * float((y * r).sum())) * s
        # Values at a bound stay there until the gradient points inwards.
        return r if self.bounds is None else torch.where(gradient == 0.0, 0.0, r)

    def _length(self, gradient: Tensor, direction: Tensor, *, first: bool) -> float:
        if not self.first_move:
            return self.learning_rate * (min(1.0, 1.0 / float(gradient.abs().sum())) if first else 1.0)
        if not self._s:
            return self.first_move / float(direction.square().mean().sqrt())
        return self.learning_rate

    def state(self) -> dict[str, Tensor]:
        state = {f"s{i}": s for i, s in enumerate(self._s)} | {f"y{i}": y for i, y in enumerate(self._y)}
        if self._last is not None:
            state |= {"last_x": self._last[0], "last_gradient": self._last[1]}
        return {name: tensor.detach().clone() for name, tensor in state.items()}

    def restore(self, state: State) -> None:
        pairs = sum(name.startswith("s") for name in state)
        self._s = [state[f"s{i}"].clone() for i in range(pairs)]
        self._y = [state[f"y{i}"].clone() for i in range(pairs)]
        self._last = (state["last_x"].clone(), state["last_gradient"].clone()) if "last_x" in state else None
        self._known = None  # evaluated again: the same number, for one evaluation more


class Adam:
    """Adam (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1), with an average of the iterates.

    Args:
        learning_rate: the step, in units of x.
        betas: decay of the two moments.
        eps: added to the root of the second moment.
        averaging: decay of the exponential moving average of the iterates that :meth:`best` gives (it includes the
            start), or 0 for none. It removes the noise that a constant step leaves in the picture.
        bounds: clamp to (low, high) after each step.
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
        self._average: tuple[Tensor, float] | None = None  # and how much weight it has gathered, up to 1

    def resize(self, x: Tensor) -> None:
        if self._moments is not None:
            first, second = self._moments
            size = x.shape[-2:]
            # Bicubic overshoots, and a second moment must not be negative.
            # (crowsonkb style-transfer-pytorch, scale_adam)
            self._moments = (
                F.interpolate(first, size, mode="bicubic"),
                F.interpolate(second, size, mode="bilinear").relu(),
            )
        self._average = None

    def best(self, x: Tensor) -> Tensor:
        if self._average is None:
            return x
        total, weight = self._average
        return total / weight

    def step(self, x: Tensor, evaluate: Evaluate) -> Update:
        at = evaluate(x)
        if not math.isfinite(at.loss):
            return Update(x, at, "the loss is not a finite number")
        if self.averaging and self._average is None:
            self._track(x)
        g = at.gradient
        b1, b2 = self.betas
        m, v = self._moments or (torch.zeros_like(x), torch.zeros_like(x))
        m = m.lerp(g, 1.0 - b1)
        v = v * b2 + (1.0 - b2) * g * g
        self._moments = (m, v)
        self._steps += 1
        rate = self.learning_rate / (1.0 - b1**self._steps)
        denominator = v.sqrt() / math.sqrt(1.0 - b2**self._steps) + self.eps
        following = x - rate * m / denominator
        if self.bounds is not None:
            following = following.clamp(*self.bounds)
        if self.averaging:
            self._track(following)
        return Update(following, at)

    def _track(self, x: Tensor) -> None:
        total, weight = self._average or (torch.zeros_like(x), 0.0)
        share = 1.0 - self.averaging
        self._average = (total.lerp(x, share), weight + share * (1.0 - weight))

    def state(self) -> dict[str, Tensor]:
        state = {"steps": torch.tensor(self._steps)}
        if self._moments is not None:
            state |= {"m": self._moments[0], "v": self._moments[1]}
        if self._average is not None:
            state |= {
                "average": self._average[0],
                "average_weight": torch.tensor(self._average[1], dtype=torch.float64),
            }
        return {name: tensor.detach().clone() for name, tensor in state.items()}

    def restore(self, state: State) -> None:
        self._steps = int(state["steps"])
        self._moments = (state["m"].clone(), state["v"].clone()) if "m" in state else None
        self._average = (
            (state["average"].clone(), float(state["average_weight"])) if "average" in state else None
        )
