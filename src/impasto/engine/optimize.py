"""The generator at the centre: paints a picture step by step, coarse to fine, by minimising an objective."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from impasto.engine.evaluation import Evaluate, EvaluateAtTurn, Evaluation
from impasto.engine.memory import release_free_memory
from impasto.engine.pyramid import Pyramid, carry_up, trimmed, widened
from impasto.engine.solvers.adam import Adam
from impasto.engine.solvers.solver import Solver, Update
from impasto.engine.solvers.state import State, clone
from impasto.engine.steering import Course, Steering
from impasto.engine.step import Step
from impasto.engine.watchdog import Watchdog
from impasto.errors import DivergedError
from impasto.geometry import Size

RESAMPLE_EVERY = 10
"""Iterations between two random samples, for losses that look at one: enough for L-BFGS to learn from each."""


def iterate(
    *,
    content: Tensor,
    styles: Sequence[Tensor],
    pyramid: Pyramid,
    course: Course,
    start: Tensor,
    solver: Solver,
    white_level: float = 1.0,
    min_relative_decrease: float = 0.0,
    resume: State | None = None,
    steering: Steering | None = None,
    start_at: Callable[[Size], Tensor] | None = None,
) -> Iterator[Step]:
    """Paint, one step at a time. Closing the generator stops it; nothing is lost but the step under way.

    Args:
        content: (1, 3, H, W), RGB in [0, 1].
        styles: one or more such pictures.
        pyramid: the sizes to work at, and the iterations at each.
        course: what to minimise, with the same ``white_level``, and how the picture is finished.
        start: (1, 3, h, w) at the first level's size; may leave [0, 1].
        solver: fresh; it works on the picture times ``white_level``.
        white_level: what white is for the solver. L-BFGS without a line search, and Adam, depend on it.
        min_relative_decrease: share by which the loss must fall over 25 iterations for a level to go on; 0 never
            stops early.
        resume: what :meth:`impasto.engine.step.Step.state` gave; ``start`` is only what may be gone back to then.
        steering: sets another course between two steps, or goes back.
        start_at: the start at any size. A level begins with it where its loss is below that of what was carried up:
            where little is to be painted, that has lost more on its way than it has gained.

    Raises:
        DivergedError: the loss is not finite, and neither restarting nor another solver helped.
    """
    steering = steering or Steering()
    painting = _Painting(
        x=(widened(start, pyramid.margin) * white_level).contiguous(),
        solver=solver,
        watchdog=Watchdog(min_relative_decrease=min_relative_decrease),
        white_level=white_level,
        pyramid=pyramid,
        course=course,
    )
    if resume is not None:
        painting.restore(resume, solver)
        resume = None  # it may be as large as all that is painted with
    painting.course = _course_until(painting, steering, course)
    while True:
        if steering.must_rewind(painting.done):
            painting.go_back(steering.latest_snapshot(), start, solver)
            painting.course = _course_until(painting, steering, course)
        if painting.level_is_over:
            if painting.level + 1 == len(pyramid.levels):
                return
            painting.go_up(content)
            continue
        if painting.taken:
            raise RuntimeError("the next step: expected none after the picture has been taken")
        now = steering.course(painting.done, course)
        steering.snapshot_if_due(painting.done, painting.state, turning=now != painting.course)
        painting.steer(now)
        painting.prepare(content, styles, start_at)
        step, position = painting.advance()
        # Not a moment before it is handed out: whoever is interrupted has the step before until then.
        painting.position = position
        if not steering.is_replaying(step.done):
            yield step


def _course_until(painting: _Painting, steering: Steering, first: Course) -> Course:
    """What the newest step went by; another course that begins here has not been taken yet."""
    return steering.course(max(painting.done - 1, 0), first)


def _unprepared(x: Tensor, *, with_gradient: bool = True, sample_index: int = 0) -> Evaluation:
    raise RuntimeError("the losses: expected a level that has begun")


@dataclass
class _Painting:
    """The one picture that is painted, in place: a :class:`impasto.engine.step.Canvas`."""

    x: Tensor
    solver: Solver
    watchdog: Watchdog
    white_level: float  # 1 while going up a level, so that Ctrl-C then leaves a picture too
    pyramid: Pyramid
    course: Course
    position: tuple[int, int, int] = (0, 0, 0)  # level, iterations done at it, iterations done
    evaluate: EvaluateAtTurn = _unprepared
    taken: bool = False
    returns: int = 0  # how often it has gone back: there may be other steps as far as those of before

    # --- what steps look at ---------------------------------------------------------------------------------

    @property
    def moment(self) -> tuple[int, int]:
        return self.done, self.returns

    @property
    def level(self) -> int:
        return self.position[0]

    @property
    def done(self) -> int:
        """Iterations done."""
        return self.position[-1]

    def painted(self) -> Tensor:
        self._check_not_taken()
        best = trimmed(self.solver.best(self.x), self.pyramid.margin)
        return (best / self.white_level).clamp_(0.0, 1.0)

    def finish(self, picture: Tensor) -> Tensor:
        return self.course.finish(picture)

    def take(self) -> Tensor:
        self._check_not_taken()
        best = self.solver.best(self.x)
        self.solver.restart()
        self.watchdog.restart()
        self.taken = True
        if self.pyramid.margin:
            # What is taken is judged without its margin, by what needs this room for that.
            self.evaluate = _unprepared
        return trimmed(best.div_(self.white_level).clamp_(0.0, 1.0), self.pyramid.margin)

    def judge(self, picture: Tensor, *, white: float) -> Evaluation:
        scale = self.white_level / white
        return self.evaluate(picture if scale == 1.0 else picture * scale, with_gradient=False)

    def state(self) -> State:
        self._check_not_taken()
        return (
            {"position": torch.tensor(self.position), "x": self.x}
            | {f"solver.{name}": tensor for name, tensor in self.solver.state().items()}
            | {f"watchdog.{name}": tensor for name, tensor in self.watchdog.state().items()}
        )

    def _check_not_taken(self) -> None:
        if self.taken:
            raise RuntimeError("a step's picture and state: the picture has been taken")

    # --- going on, and back ---------------------------------------------------------------------------------

    @property
    def level_is_over(self) -> bool:
        number, done_here, _ = self.position
        return done_here >= self.pyramid.levels[number].iterations

    def restore(self, state: State, solver: Solver) -> None:
        """Go on from ``state`` with that solver, or with the one that had taken over."""
        level, done_here, done = clone(state["position"]).tolist()
        self.x = clone(state["x"]).to(self.x.device)
        self.watchdog.restore(_part(state, "watchdog."))
        self.solver = _fallback(self.white_level) if self.watchdog.switched else solver
        self.solver.restore(_part(state, "solver."), self.x)
        self.position = (level, done_here, done)

    def go_back(self, state: State | None, start: Tensor, solver: Solver) -> None:
        """Be as it was in ``state``, or in the beginning."""
        self.evaluate, self.taken = _unprepared, False
        self.returns += 1
        if state is not None:
            self.restore(state, solver)
            return
        solver.restart()
        self.solver = solver
        self.watchdog = Watchdog(min_relative_decrease=self.watchdog.min_relative_decrease)
        self.x = (widened(start, self.pyramid.margin) * self.white_level).contiguous()
        self.position = (0, 0, 0)

    def go_up(self, content: Tensor) -> None:
        """Begin the next level."""
        number, _, done = self.position
        pyramid, white_level, margin = self.pyramid, self.white_level, self.pyramid.margin
        coarse, fine = (pyramid.levels[each].size for each in (number, number + 1))
        # Nothing of this level is needed any more, and the next one's pictures are the largest things there are. A
        # step that is kept does not keep the level before either.
        self.evaluate = _unprepared
        self.x, self.white_level = self.solver.best(self.x).div_(white_level).clamp_(0.0, 1.0), 1.0
        self.watchdog.restart()
        self.solver.resize((fine[0] + 2 * margin, fine[1] + 2 * margin))
        own = trimmed(self.x, margin)
        release_free_memory()
        larger = carry_up(
            own,
            content,
            (coarse, fine),
            pyramid.detail,
            resample=pyramid.resample,
            seamless=pyramid.seamless,
            margin=margin,
        )
        self.x, self.white_level = larger.mul_(white_level), white_level
        self.position = (number + 1, 0, done)

    # --- one step -------------------------------------------------------------------------------------------

    def steer(self, course: Course) -> None:
        """Go by ``course`` from here on."""
        if course.prepare is not self.course.prepare:
            # The curvature that L-BFGS knows is another objective's. Adam's moments too would count for a hundred
            # steps, in which a gradient that has become smaller moves next to nothing. And no loss of before can be
            # compared with one of after.
            self.evaluate = _unprepared
            self.solver.restart()
            self.watchdog.restart()
        self.course = course
        if not self.watchdog.switched:  # what takes over has its own
            self.solver.learning_rate = course.learning_rate

    def prepare(
        self, content: Tensor, styles: Sequence[Tensor], start_at: Callable[[Size], Tensor] | None
    ) -> None:
        """Make the evaluation of this level, where there is none yet."""
        if self.evaluate is not _unprepared:
            return
        number, done_here, _ = self.position
        self.evaluate = self.course.prepare(
            self.pyramid.content(content, number), self.pyramid.styles(styles, number)
        )
        if start_at is not None and number and not done_here:
            self._begin_lower(start_at(self.pyramid.levels[number].size))

    def _begin_lower(self, start: Tensor) -> None:
        """Begin a level with ``start``, in [0, 1] and without a margin, if its loss is lower."""
        start = (widened(start, self.pyramid.margin) * self.white_level).contiguous()
        ours, carried = (self.evaluate(x, with_gradient=False).loss for x in (start, self.x))
        if ours < carried:
            self.x = start

    def advance(self) -> tuple[Step, tuple[int, int, int]]:
        """One iteration, and the position after it."""
        number, done_here, done = self.position
        level = self.pyramid.levels[number]
        update, notes, over = self._update()
        iteration, done = done_here + 1, done + 1
        # A level that is over counts as done to its last iteration, so that resuming goes to the next one.
        position = (number, level.iterations if over else iteration, done)
        step = Step(
            level=number,
            levels=len(self.pyramid.levels),
            iteration=iteration,
            iterations=level.iterations,
            done=done,
            planned=self.pyramid.planned(*position),
            loss=update.loss,
            losses=update.terms,
            notes=notes,
            _canvas=self,
            _moment=(done, self.returns),
        )
        return step, position

    def _update(self) -> tuple[Update, tuple[str, ...], bool]:
        """The solver's step, and what the watchdog makes of it: notes, and whether the level is over."""
        evaluate: Evaluate = self.evaluate
        resample_every = self.course.resample_every
        if resample_every:
            _, done_here, _ = self.position
            if done_here % resample_every == 0:
                self.solver.resampled()
            evaluate = partial(self.evaluate, sample_index=done_here // resample_every)
        update = self.solver.step(self.x, self.watchdog.watching(evaluate))
        verdict = self.watchdog.judge(update)
        match verdict.remedy:
            case "go on":
                return update, (), False
            case "next level":
                return update, (f"{verdict.reason}: this size is done",), True
            case "restart":
                self.solver.restart()
                return update, (f"{verdict.reason}: restarted",), False
            case "switch":
                self.solver = _fallback(self.white_level)
                return update, (f"{verdict.reason} again: Adam takes over",), False
            case "give up":
                raise DivergedError(
                    f"the optimisation cannot go on: {verdict.reason}, and restarting did not help"
                )


def _fallback(white_level: float) -> Adam:
    """The solver for what L-BFGS cannot do: small bounded steps, whatever the loss's scale."""
    return Adam(learning_rate=0.01 * white_level, betas=(0.9, 0.99), bounds=(0.0, white_level))


def _part(state: State, prefix: str) -> State:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
