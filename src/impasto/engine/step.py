"""One iteration, done: its numbers, and a view of the picture, which is painted in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Protocol

from torch import Tensor

from impasto.engine.evaluation import Evaluation
from impasto.engine.solvers.state import State, clone


@dataclass(frozen=True)
class Progress:
    """One iteration in numbers; it can be pickled, and keeps nothing of the picture.

    Attributes:
        level: number of the level, from 0.
        levels: how many there are.
        iteration: iterations done at this level, from 1.
        iterations: how many are planned at this level.
        done: iterations done at all levels.
        planned: iterations planned at all levels; fewer are done where the loss stops falling.
        loss: the total at the picture this iteration started from.
        losses: its weighted terms by name.
        notes: what the engine corrected, one line each.
        seconds_left: to the saved picture; None where nobody knows.
    """

    level: int
    levels: int
    iteration: int
    iterations: int
    done: int
    planned: int
    loss: float
    losses: Mapping[str, float]
    notes: tuple[str, ...]
    seconds_left: float | None = None


class Canvas(Protocol):
    """The picture that an engine paints in place. Every step is a view of it."""

    @property
    def moment(self) -> tuple[int, ...]:
        """Another one after each iteration, and after going back to an earlier one."""
        ...

    @property
    def level(self) -> int:
        """The level that is painted at."""
        ...

    def painted(self) -> Tensor:
        """The picture as the losses see it, (1, 3, H, W) in [0, 1]."""
        ...

    def finish(self, picture: Tensor) -> Tensor:
        """The picture as it is shown: with its colours and masks."""
        ...

    def take(self) -> Tensor:
        """:meth:`painted` without a copy; no further step can be taken."""
        ...

    def judge(self, picture: Tensor, *, white: float) -> Evaluation:
        """The losses of any picture of this level's size."""
        ...

    def state(self) -> State:
        """All that is needed to go on, good until the next step.

        Raises:
            RuntimeError: the picture has been taken.
        """
        ...


@dataclass(frozen=True)
class Step(Progress):
    """One iteration, done: its numbers, and a view of the picture, which is painted in place."""

    _canvas: Canvas = field(repr=False, kw_only=True)
    _moment: tuple[int, ...] = field(repr=False, kw_only=True)

    @property
    def progress(self) -> Progress:
        """The numbers alone, to be kept: a step keeps the picture, the solver and the network alive."""
        return Progress(**{each.name: getattr(self, each.name) for each in fields(Progress)})

    @property
    def image(self) -> Tensor:
        """The picture after this iteration, finished: (1, 3, H, W), RGB in [0, 1].

        Raises:
            RuntimeError: the next step has been asked for; the picture is painted in place.
        """
        return self._canvas.finish(self.painted)

    @property
    def painted(self) -> Tensor:
        """The picture after this iteration as the losses see it.

        Raises:
            RuntimeError: the next step has been asked for.
        """
        return self._now().painted()

    def take(self) -> Tensor:
        """Like :attr:`painted`, without a copy. Ends the painting: no further step can be taken.

        A picture with a margin cannot be judged by :meth:`judge` either then.

        Raises:
            RuntimeError: the next step has been asked for.
        """
        return self._now().take()

    def judge(self, picture: Tensor, *, white: float) -> Evaluation:
        """The losses of any picture of this level's size, its margin included, (1, 3, H, W) in [0, white].

        Raises:
            RuntimeError: the next level has been begun.
        """
        if self._canvas.level != self.level:
            raise RuntimeError("a step's losses: expected at its own level, came after it")
        return self._canvas.judge(picture, white=white)

    def state(self) -> dict[str, Tensor]:
        """All that is needed to go on from here, for ``resume``.

        Raises:
            RuntimeError: the next step has been asked for.
        """
        return {name: clone(tensor) for name, tensor in self.live_state().items()}

    def live_state(self) -> State:
        """Like :meth:`state`, without a copy: good until the next step is asked for.

        Raises:
            RuntimeError: the next step has been asked for.
        """
        return self._now().state()

    def _now(self) -> Canvas:
        if self._canvas.moment != self._moment:
            raise RuntimeError("a step's picture and state: expected before the next step, came after it")
        return self._canvas
