"""A completed iteration: its numbers, and a view of the picture, which the engine changes in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Protocol

from torch import Tensor

from impasto.engine.evaluation import Evaluation
from impasto.engine.solvers.state import State, clone
from impasto.modes import own_modes


@dataclass(frozen=True)
class Progress:
    """The numbers of one iteration; it can be pickled and does not refer to the picture.

    Attributes:
        level: number of the level, from 0.
        levels: number of levels.
        iteration: iterations done at this level, from 1.
        iterations: iterations planned at this level.
        done: iterations done at all levels.
        planned: iterations planned at all levels; fewer are done where the loss stops falling.
        loss: the total loss at the picture before this iteration.
        losses: the weighted terms of ``loss`` by name.
        notes: the engine's corrections, one line each.
        seconds_left: estimated seconds to the saved picture; None before the first estimate.
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
    """The picture that an engine changes in place. Every step is a view of it."""

    @property
    def version(self) -> tuple[int, ...]:
        """Changes with each iteration, and with each return to an earlier iteration."""
        ...

    @property
    def level(self) -> int:
        """The current level."""
        ...

    def painted(self) -> Tensor:
        """The picture as the losses see it, (1, 3, H, W) in [0, 1]."""
        ...

    def finish(self, picture: Tensor) -> Tensor:
        """The picture as it is shown: with colour and masks applied."""
        ...

    def take(self) -> Tensor:
        """:meth:`painted` without a copy. Ends the painting: no further step can be taken."""
        ...

    def judge(self, picture: Tensor, *, white: float) -> Evaluation:
        """The losses of any picture of this level's size."""
        ...

    def release(self) -> None:
        """Free what only further steps and judgements need."""
        ...

    def state(self) -> State:
        """The state to resume from, valid until the next step.

        Raises:
            RuntimeError: the picture has been taken.
        """
        ...


@dataclass(frozen=True)
class Step(Progress):
    """A completed iteration: its numbers, and a view of the picture, which the engine changes in place."""

    _canvas: Canvas = field(repr=False, kw_only=True)
    _version: tuple[int, ...] = field(repr=False, kw_only=True)

    @property
    def progress(self) -> Progress:
        """The numbers alone. Store these: a step keeps the picture, the solver and the network in memory."""
        return Progress(**{each.name: getattr(self, each.name) for each in fields(Progress)})

    @property
    @own_modes()
    def image(self) -> Tensor:
        """The picture after this iteration, finished: (1, 3, H, W), RGB in [0, 1].

        Raises:
            RuntimeError: the next step has been requested; the picture is changed in place.
        """
        return self._canvas.finish(self.painted)

    @property
    @own_modes()
    def painted(self) -> Tensor:
        """The picture after this iteration as the losses see it, (1, 3, H, W) in [0, 1].

        Raises:
            RuntimeError: the next step has been requested.
        """
        return self._current_canvas().painted()

    @own_modes()
    def take(self) -> Tensor:
        """Like :attr:`painted`, without a copy. Ends the painting: no further step can be taken.

        If the picture has a margin, :meth:`judge` cannot be called afterwards either.

        Raises:
            RuntimeError: the next step has been requested.
        """
        return self._current_canvas().take()

    @own_modes()
    def judge(self, picture: Tensor, *, white: float) -> Evaluation:
        """The losses of any picture of this level's size, its margin included, (1, 3, H, W) in [0, white].

        Raises:
            RuntimeError: the next level has begun.
        """
        if self._canvas.level != self.level:
            raise RuntimeError(
                f"the losses of a step: expected a call during level {self.level}, got one during level "
                f"{self._canvas.level}; call judge() before the next level begins"
            )
        return self._canvas.judge(picture, white=white)

    def release(self) -> None:
        """Free the network and the solver, for a step that is kept. No further step can be taken or judged."""
        self._canvas.release()

    @own_modes()
    def state(self) -> dict[str, Tensor]:
        """A copy of the state after this iteration, for ``resume``.

        Raises:
            RuntimeError: the next step has been requested.
        """
        return {name: clone(tensor) for name, tensor in self.live_state().items()}

    @own_modes()
    def live_state(self) -> State:
        """Like :meth:`state`, without a copy: valid until the next step is requested.

        Raises:
            RuntimeError: the next step has been requested.
        """
        return self._current_canvas().state()

    def _current_canvas(self) -> Canvas:
        if self._canvas.version != self._version:
            raise RuntimeError(
                "the picture and the state of a step: expected a call before the next step, got one after it; "
                "copy what you need before you request the next step"
            )
        return self._canvas
