"""A picture that is steered while it is painted: settings changed between two steps, and undone.

What was changed, and after how many iterations, stands in the recipe: with it the picture is painted again, to the
last bit, however it was come by. Docs: ``docs/steering.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from impasto.engine.solvers.state import State, clone
from impasto.engine.steering import Course, Steering
from impasto.engine.step import Step
from impasto.errors import ParameterError
from impasto.recipes.recipe import Recipe

UNDO_BYTES = 300_000_000
"""Memory for states to go back to: two or three of a picture of 512 pixels, a dozen at 256."""


class Steered(Protocol):
    """What a painting steers: the settings, and what they make of each step."""

    @property
    def recipe(self) -> Recipe:
        """The settings, with all changes."""
        ...

    def course(self, done: int) -> Course:
        """What the step after ``done`` iterations goes by."""
        ...

    def change(self, done: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Let settings be others from the step after ``done`` iterations on; those that are others now."""
        ...

    def forget_changes(self, done: int) -> None:
        """Drop the changes after ``done`` iterations and later."""
        ...


Begin = Callable[[Steering, State | None], Iterator[Step]]
"""Steps from the start, or from a state."""


class Painting(Iterator[Step]):
    """The steps of one picture, and the hand on them.

    Args:
        steered: whose picture it is; changes go into its recipe.
        begin: starts painting.
        resume: where.
        undo_bytes: memory for states that can be gone back to at once; to others it is painted again.

    Example:
        >>> for step in (painting := impasto.iterate("photo.jpg", "painting.jpg")):  # doctest: +SKIP
        ...     if step.done == 40:
        ...         painting.change(style_weight=60)
    """

    def __init__(self, steered: Steered, begin: Begin, *, resume: State | None, undo_bytes: int) -> None:
        self._steered, self._begin = steered, begin
        self._steering = Steering(limit=undo_bytes)
        self._done = int(clone(resume["position"])[-1]) if resume is not None else 0
        self._planned: int | None = None
        self._steer()
        self._steps = begin(self._steering, resume)
        self._ended = False

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

    def __next__(self) -> Step:
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
        self._done, self._planned = step.done, step.planned
        return step

    def close(self) -> None:
        """Stop; the last step's picture is still there."""
        self._steps.close()  # type: ignore[attr-defined]  # it is a generator

    def change(self, **settings: Any) -> Mapping[str, Any]:
        """Let settings be others from the next step on.

        Args:
            settings: those of :data:`impasto.recipes.fields.CHANGEABLE`, or a ``strength``, which is measured and
                becomes a style weight. Layers are those that there are from the beginning; 0 leaves one out.

        Returns:
            those that are others now, as they stand in the recipe.

        Raises:
            InputError: a setting that cannot be changed while painting, a value out of range, a mask that
                cannot be read, or there is no next step.
        """
        if self._done == self._planned:
            raise ParameterError(f"change: expected a step to come, got all {self._done} done")
        changed = self._steered.change(self._done, settings)
        self._steer()
        return changed

    def undo(self, to: int | None = None) -> int:
        """Go on from where ``to`` iterations had been done, as if nothing had come after: picture, solver, settings.

        A change that was made there is undone too. The next step is the one after, to the last bit the same as it
        was, or would have been; where no state is kept near enough, what lies between is painted again.

        Args:
            to: iterations; without it where the newest change was made.

        Returns:
            iterations done now.

        Raises:
            ParameterError: it is not so far yet, or there is no change.
        """
        if to is None:
            to = max((each.at for each in self.recipe.changes if each.at <= self._done), default=None)
            if to is None:
                raise ParameterError("undo: expected a change before, got none; say to which iteration")
        if isinstance(to, bool) or not isinstance(to, int) or not 0 <= to <= self._done:
            raise ParameterError(f"undo: expected 0 to {self._done} iterations, got {to!r}")
        self._steered.forget_changes(to)
        self._steering.back_to(to)
        self._steer()
        if self._ended and to < self._done:
            self._steps, self._ended = self._begin(self._steering, None), False
        if to < self._done:
            self._done, self._planned = to, None
        return to

    def _steer(self) -> None:
        for each in self.recipe.changes:
            self._steering.change(each.at, self._steered.course(each.at))
