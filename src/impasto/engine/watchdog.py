"""Detects an optimisation that diverges, stalls or has converged; without it style transfer fails silently."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from impasto.engine.evaluation import Evaluate, Evaluation
from impasto.engine.solvers.solver import Update
from impasto.engine.solvers.state import State, clone

Remedy = Literal["go on", "restart", "switch", "next level", "give up"]


@dataclass(frozen=True)
class Verdict:
    """What to do after an update, and why."""

    remedy: Remedy
    reason: str


class Watchdog:
    """Judges each update of one level.

    If the loss is not finite, or stays far above the best loss so far, the picture is reset in place to the best
    point and the solver restarts without history. A solver that ends early restarts at the current point. If either
    happens again within ``patience`` iterations, another solver takes over; if that one fails too, the watchdog gives
    up. A loss that no longer falls ends the level.

    Args:
        window: iterations over which the loss must fall.
        min_relative_decrease: the smallest relative fall of the loss over the window; 0 never ends a level early.
    """

    far_above = 10.0
    patience = 8

    def __init__(self, *, window: int = 25, min_relative_decrease: float = 0.0) -> None:
        self.window = window
        self.min_relative_decrease = min_relative_decrease
        self.switched = False
        self.restart()

    def restart(self) -> None:
        """Begin a level."""
        self._best = math.inf
        self._best_x: QuantizedImage | None = None
        self._lows: deque[float] = deque(maxlen=self.window + 1)  # the best loss after each iteration
        self._high = 0  # iterations in a row far above the best
        self._since_trouble = self.patience

    def watching(self, evaluate: Evaluate) -> Evaluate:
        """``evaluate``, wrapped so that it records the best point."""

        def watched(x: Tensor, *, with_gradient: bool = True) -> Evaluation:
            at = evaluate(x, with_gradient=with_gradient)
            if math.isfinite(at.loss) and at.loss < self._best:
                self._best = at.loss
                self._best_x = QuantizedImage(x, into=self._best_x)
            return at

        return watched

    def judge(self, update: Update) -> Verdict:
        """Judge a solver's step."""
        loss = update.loss
        # If the solver reports the change, no further synchronisation with a GPU is needed.
        moved = update.x.sum().item() if update.moved is None else update.moved
        finite = math.isfinite(loss) and math.isfinite(moved)
        self._lows.append(self._best)
        self._high = self._high + 1 if not loss <= self.far_above * self._best else 0
        self._since_trouble += 1
        if not finite:
            return self._trouble("the loss or the picture is no longer finite", update.x, go_back=True)
        if self._high >= self.patience:
            return self._trouble(
                f"the loss stayed {self.far_above:g} times above the best for {self._high} iterations",
                update.x,
                go_back=True,
            )
        if update.ended is not None and update.converged:
            return Verdict("next level", update.ended)
        if update.ended is not None:
            return self._trouble(f"the solver ended early: {update.ended}", update.x)
        if self.min_relative_decrease and len(self._lows) > self.window:
            fall = 1.0 - self._lows[-1] / self._lows[0] if self._lows[0] else 0.0
            if fall < self.min_relative_decrease:
                return Verdict("next level", f"the loss fell by {fall:.1e} over {self.window} iterations")
        return Verdict("go on", "")

    def _trouble(self, reason: str, x: Tensor, *, go_back: bool = False) -> Verdict:
        again = self._since_trouble < self.patience
        self._since_trouble = 0
        self._high = 0
        if (go_back and self._best_x is None) or (again and self.switched):
            return Verdict("give up", reason)
        if go_back and self._best_x is not None:
            self._best_x.copy_to(x)
        if again:
            self.switched = True
            return Verdict("switch", reason)
        return Verdict("restart", reason)

    def state(self) -> dict[str, Tensor]:
        """The state, valid until the next evaluation."""
        state = {
            "best": torch.tensor(self._best, dtype=torch.float64),
            "lows": torch.tensor(list(self._lows), dtype=torch.float64),
            "counts": torch.tensor([self._high, self._since_trouble, int(self.switched)]),
        }
        return state if self._best_x is None else state | self._best_x.state()

    def restore(self, state: State) -> None:
        self._best = float(clone(state["best"]))
        self._lows.clear()
        self._lows.extend(clone(state["lows"]).tolist())
        self._high, self._since_trouble, switched = clone(state["counts"]).tolist()
        self.switched = bool(switched)
        self._best_x = QuantizedImage.restored(state) if "best_x" in state else None


_BAND = 1 << 20  # values


class QuantizedImage:
    """A picture quantised to 8 bits over its own range: precise enough to restart from, in a quarter of the memory.

    Args:
        x: the picture.
        into: an older one, whose memory is reused.
    """

    _values: Tensor
    _low: float
    _step: float

    def __init__(self, x: Tensor, *, into: QuantizedImage | None = None) -> None:
        low, high = torch.stack(x.aminmax()).tolist()  # one transfer
        self._low, self._step = low, (high - low) / 255.0 or 1.0
        self._values = torch.empty_like(x, dtype=torch.uint8) if into is None else into._values
        for quantized, band in self._bands(x):
            quantized.copy_(((band - self._low) / self._step).round_())

    def copy_to(self, x: Tensor) -> None:
        """Overwrite ``x`` with the picture."""
        for quantized, band in self._bands(x):
            band.copy_(quantized.to(x.dtype).mul_(self._step).add_(self._low))

    def _bands(self, x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        return zip(
            torch.split(self._values.view(-1), _BAND), torch.split(x.detach().view(-1), _BAND), strict=True
        )

    def state(self) -> dict[str, Tensor]:
        """The state, for :meth:`restored`."""
        scale = torch.tensor([self._low, self._step], dtype=torch.float64)
        return {"best_x": self._values, "best_scale": scale}

    @classmethod
    def restored(cls, state: State) -> QuantizedImage:
        """The picture that :meth:`state` returned."""
        picture = cls.__new__(cls)
        picture._values = clone(state["best_x"])
        picture._low, picture._step = clone(state["best_scale"]).tolist()
        return picture
