"""Steering: change the course of a painting between two steps, or go back to an earlier step.

The picture depends only on the courses and on the iteration after which each course begins. So a painting can go back
to any step: it recomputes from the newest snapshot before that step, or from the start, and the result is
bit-identical. Snapshots only shorten the recomputation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from impasto.engine.evaluation import EvaluatorFactory
from impasto.engine.solvers.state import State, clone

Finish = Callable[[Tensor], Tensor]
"""Post-processing of a picture in [0, 1] before it is shown."""


@dataclass(frozen=True)
class Course:
    """What determines the steps of a painting.

    Attributes:
        prepare: makes the objective's evaluation. A different ``prepare`` is a different objective: the solver then
            discards its state.
        learning_rate: the solver's learning rate. Adam: the step, in units of x. L-BFGS: the fraction of the full
            step; with a line search, only the first step length tried.
        resample_every: iterations between two random samples, for losses that use one; 0 where none does.
        finish: post-processing of a picture before it is shown.
    """

    prepare: EvaluatorFactory
    learning_rate: float
    resample_every: int = 0
    finish: Finish = lambda picture: picture


class Steering:
    """Controls a painting between two steps; an argument of :func:`impasto.engine.optimize.iterate`.

    Args:
        courses: iterations done -> the course from there on. The first course is an argument of ``iterate``.
        limit: bytes for snapshots. One is taken at each change of course and every ``every`` iterations; the oldest
            are dropped beyond the limit. Iterations without a snapshot are recomputed. 0 takes no snapshots.
        every: iterations between two snapshots.
    """

    def __init__(
        self, courses: Mapping[int, Course] | None = None, *, limit: int = 0, every: int = 25
    ) -> None:
        self._courses = dict(courses or {})
        self._limit, self._every = limit, every
        self._states: dict[int, dict[str, Tensor]] = {}  # by iterations done, oldest first
        self._target: int | None = None

    @property
    def states(self) -> tuple[int, ...]:
        """The steps that have a snapshot, as iterations done, oldest first."""
        return tuple(self._states)

    def change(self, done: int, course: Course) -> None:
        """Use ``course`` after ``done`` iterations; ``done`` must be at least the iterations done so far."""
        self._courses[done] = course

    def back_to(self, done: int) -> None:
        """Continue from the state after ``done`` iterations; courses that begin there or later are removed.

        The next step yielded is number ``done`` + 1, however many iterations have to be recomputed for it.
        """
        self._target = done
        self._courses = {at: course for at, course in self._courses.items() if at < done}
        self._states = {at: state for at, state in self._states.items() if at <= done}

    # --- called by the painting -----------------------------------------------------------------------------

    def course(self, done: int, first: Course) -> Course:
        """The course of the step after ``done`` iterations; ``first`` where no change came before it."""
        starts = [at for at in self._courses if at <= done]
        return self._courses[max(starts)] if starts else first

    def must_rewind(self, done: int) -> bool:
        """Whether to restore a snapshot: the requested step is before ``done``, or a snapshot is nearer to it."""
        newest = max(self._states, default=0)
        return self._target is not None and not newest <= done <= self._target

    def latest_snapshot(self) -> State | None:
        """The newest snapshot; None without one, which stands for the start."""
        return next(reversed(self._states.values()), None)

    def is_replaying(self, done: int) -> bool:
        """Whether the step that completes ``done`` iterations is only recomputed, and not yielded."""
        if self._target is not None and done > self._target:
            self._target = None
        return self._target is not None

    def snapshot_if_due(self, done: int, get_state: Callable[[], State], *, course_changes: bool) -> None:
        """Take a snapshot after ``done`` iterations where one is due; the oldest ones are dropped to make room.

        Args:
            get_state: returns the state to copy.
            course_changes: whether the course changes here.
        """
        if not (self._limit and done and (course_changes or done % self._every == 0)):
            return
        state = get_state()
        size = _bytes(state)
        if size > self._limit:
            return
        self._states.pop(done, None)
        taken = sum(map(_bytes, self._states.values()))
        while taken + size > self._limit:
            oldest = next(iter(self._states))
            taken -= _bytes(self._states.pop(oldest))
        self._states[done] = {name: clone(value) for name, value in state.items()}


def _bytes(state: State) -> int:
    return sum(math.prod(value.shape) * value.dtype.itemsize for value in state.values())
