"""A picture that is steered while it is painted: settings changed between two steps, and undone.

What was changed, and after how many iterations, stands in the recipe: with it the picture is painted again, to the
last bit, however it was come by. Docs: ``docs/steering.md``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from impasto.engine.solvers.state import State, clone
from impasto.engine.steering import Course, Steering
from impasto.engine.step import Step
from impasto.errors import ParameterError
from impasto.modes import own_modes
from impasto.recipes.recipe import Recipe
from impasto.transfer.pace import Pace

UNDO_BYTES = 300_000_000
"""Memory for states to go back to: two or three of a picture of 512 pixels, a dozen at 256."""


class Steered(Protocol):
    """What a painting changes: the settings, and the course that follows from them."""

    @property
    def recipe(self) -> Recipe:
        """The settings, with all changes."""
        ...

    def course(self, done: int) -> Course:
        """What the step after ``done`` iterations goes by."""
        ...

    def change(self, done: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Change settings from the step after ``done`` iterations on. Returns those that have changed."""
        ...

    def forget_changes(self, done: int) -> None:
        """Drop the changes after ``done`` iterations and later."""
        ...


Begin = Callable[[Steering, State | None], Iterator[Step]]
"""Steps from the start, or from a state."""


class Painting(Iterator[Step]):
    """Iterates over the steps of one picture. Between two steps, settings can be changed and steps undone.

    Args:
        steered: the session. Changes go into its recipe.
        begin: starts the engine.
        pace: measures the steps.
        resume: the state to resume from.
        undo_bytes: memory for snapshots. An undo to a snapshot is immediate; any other recomputes the steps since the
            newest snapshot before it.

    Example:
        >>> for step in (painting := impasto.iterate("photo.jpg", "painting.jpg")):  # doctest: +SKIP
        ...     if step.done == 40:
        ...         painting.change(style_weight=60)
    """

    def __init__(
        self, steered: Steered, begin: Begin, pace: Pace, *, resume: State | None, undo_bytes: int
    ) -> None:
        self._steered, self._begin, self._pace = steered, begin, pace
        self._steering = Steering(limit=undo_bytes)
        self._done = int(clone(resume["position"])[-1]) if resume is not None else 0
        self._planned: int | None = None
        self._steer()
        self._steps = begin(self._steering, resume)
        self._ended = False
        self._goes_back = False  # the next step may recompute others

    @property
    def recipe(self) -> Recipe:
        """All that is needed to paint the same again, changes included."""
        return self._steered.recipe

    @property
    def done(self) -> int:
        """Iterations done."""
        return self._done

    def __iter__(self) -> Painting:
        return self

    @own_modes()
    def __next__(self) -> Step:
        started = time.perf_counter()
        try:
            step = next(self._steps)
        except StopIteration:
            self._ended = True
            raise
        except NotImplementedError as error:
            if "MPS" not in str(error):
                raise
            what = str(error).split(". ")[0]
            raise ParameterError(
                f"device: expected what Apple's GPUs compute, got: {what}; set PYTORCH_ENABLE_MPS_FALLBACK=1 in the "
                'environment, which leaves this to the processor, or take the device "cpu"'
            ) from None
        if step.done == self._done + 1 and not self._goes_back:
            self._pace.add(step.level, step.iteration, time.perf_counter() - started)
        self._goes_back = False
        self._done, self._planned = step.done, step.planned
        return replace(step, seconds_left=self._pace.left(step))

    def close(self) -> None:
        """Stop. The last step's picture stays available."""
        self._steps.close()  # type: ignore[attr-defined]  # it is a generator

    @own_modes()
    def change(self, **settings: Any) -> Mapping[str, Any]:
        """Change settings from the next step on.

        Args:
            settings: any of :data:`impasto.recipes.fields.CHANGEABLE`, or a ``strength``, which is measured and
                becomes a style weight. Layers cannot be added; a weight of 0 leaves a layer out.

        Returns:
            the settings that have changed, as they are in the recipe. Setting the current value again is a no-op.

        Raises:
            InputError: a setting that cannot be changed while painting, a value out of range, a mask that
                cannot be read, or there is no next step.
        """
        if self._done == self._planned:
            raise ParameterError(f"change: expected a step to come, got all {self._done} done")
        changed = self._steered.change(self._done, settings)
        self._steer()
        return changed

    @own_modes()
    def undo(self, to: int | None = None) -> int:
        """Go back to ``to`` iterations: picture, solver and settings are as they were then.

        A change that was made after ``to`` iterations is undone too. The next step is bit-identical to the one that
        followed, or would have followed. Iterations since the newest snapshot are silently recomputed.

        Args:
            to: iterations done; None goes back to the newest change.

        Returns:
            iterations done now.

        Raises:
            ParameterError: fewer iterations have been done, or there is no change.
        """
        if to is None:
            to = max((each.at for each in self.recipe.changes if each.at <= self._done), default=None)
            if to is None:
                raise ParameterError(
                    "undo: expected a change to undo, got none; give the iteration to go back to"
                )
        if isinstance(to, bool) or not isinstance(to, int) or not 0 <= to <= self._done:
            raise ParameterError(f"undo: expected 0 to {self._done} iterations, got {to!r}")
        self._steered.forget_changes(to)
        self._steering.back_to(to)
        self._steer()
        if self._ended and to < self._done:
            self._steps, self._ended = self._begin(self._steering, None), False
        if to < self._done:
            self._done, self._planned, self._goes_back = to, None, True
        return to

    def _steer(self) -> None:
        for each in self.recipe.changes:
            self._steering.change(each.at, self._steered.course(each.at))
