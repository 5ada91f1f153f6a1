"""Steering: between two steps a painting is given another course, or taken back to an earlier step.

The picture follows from the courses and from the iterations that each begins after, and from nothing else. So it can
go back to any step, whatever has been kept: it is painted again from the newest state before, or from the start, and
every bit is as it was. What is kept only makes that short.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from impasto.engine.evaluation import EvaluatorFactory
from impasto.engine.solvers.state import State, clone

Finish = Callable[[Tensor], Tensor]
"""What becomes of a picture in [0, 1] when it is looked at."""


@dataclass(frozen=True)
class Course:
    """What steps go by.

    Attributes:
        prepare: what to minimise. Another ``prepare`` is another objective: the solver forgets what it knows of
            the old one.
        learning_rate: the solver's. What that is, is the solver's to say: of Adam the step, in units of x; of L-BFGS
            the share of its full step, and with a line search only where the search begins.
        resample_every: iterations after which losses that look at a random sample look at another; 0 where none do.
        finish: what becomes of a picture when it is looked at.
    """

    prepare: EvaluatorFactory
    learning_rate: float
    resample_every: int = 0
    finish: Finish = lambda picture: picture


class Steering:
    """The hand on a painting: given to :func:`impasto.engine.optimize.iterate`, and used between two steps.

    Args:
        courses: iterations done -> what is gone by from there; what a painting begins with is its own.
        limit: bytes for states to go back to, copied where the course changes and every so many iterations. What
            there is no room for is painted again. 0 keeps none.
        every: iterations between two states.
    """

    def __init__(
        self, courses: Mapping[int, Course] | None = None, *, limit: int = 0, every: int = 25
    ) -> None:
        self._courses = dict(courses or {})
        self._limit, self._every = limit, every
        self._states: dict[int, dict[str, Tensor]] = {}  # by iterations done, oldest first
        self._wanted: int | None = None

    @property
    def states(self) -> tuple[int, ...]:
        """The steps that can be gone back to at once."""
        return tuple(self._states)

    def change(self, done: int, course: Course) -> None:
        """Go by ``course`` after ``done`` iterations, which must not be fewer than have been done."""
        self._courses[done] = course

    def back_to(self, done: int) -> None:
        """Go on from where ``done`` iterations had been done: courses that began there or later are forgotten.

        The next step is the one after, however much has to be painted again for it.
        """
        self._wanted = done
        self._courses = {at: course for at, course in self._courses.items() if at < done}
        self._states = {at: state for at, state in self._states.items() if at <= done}

    # --- what the painting asks -----------------------------------------------------------------------------

    def course(self, done: int, first: Course) -> Course:
        """What the step after ``done`` iterations goes by; ``first`` where nothing was changed before."""
        begun = [at for at in self._courses if at <= done]
        return self._courses[max(begun)] if begun else first

    def must_rewind(self, done: int) -> bool:
        """Whether the step to go back to is not ahead of ``done`` iterations, or a snapshot is nearer to it."""
        newest = max(self._states, default=0)
        return self._wanted is not None and not newest <= done <= self._wanted

    def latest_snapshot(self) -> State | None:
        """The newest snapshot; None for the start."""
        return next(reversed(self._states.values()), None)

    def is_replaying(self, done: int) -> bool:
        """Whether the step after which ``done`` iterations are done is only recomputed, and not shown."""
        if self._wanted is not None and done > self._wanted:
            self._wanted = None
        return self._wanted is not None

    def snapshot_if_due(self, done: int, now: Callable[[], State], *, turning: bool) -> None:
        """Take a snapshot after ``done`` iterations where one is due; the oldest make room.

        Args:
            now: gives the state.
            turning: whether the course changes here.
        """
        if not (self._limit and done and (turning or done % self._every == 0)):
            return
        state = now()
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
