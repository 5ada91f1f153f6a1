"""The main loop: a generator that optimises a picture step by step, coarse to fine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from impasto.engine.evaluation import Evaluate, EvaluateSample, Evaluation
from impasto.engine.memory import release_free_memory
from impasto.engine.pyramid import Pyramid, crop_margin, pad_mirrored, upsample
from impasto.engine.solvers.adam import Adam
from impasto.engine.solvers.solver import Solver, Update
from impasto.engine.solvers.state import State, clone
from impasto.engine.steering import Course, Steering
from impasto.engine.step import Step
from impasto.engine.watchdog import Watchdog
from impasto.errors import DivergedError
from impasto.geometry import Size

RESAMPLE_EVERY = 10
"""Iterations between two random samples, for losses that use one: enough for L-BFGS to gain curvature pairs."""


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
    """Paint, one step at a time. Closing the generator stops the painting; only the current step is lost.

    Args:
        content: (1, 3, H, W), RGB in [0, 1].
        styles: one or more such pictures.
        pyramid: the levels, with the iterations at each.
        course: the first course; its evaluation must use the same ``white_level``.
        start: (1, 3, h, w) at the first level's size; may leave [0, 1].
        solver: a new solver; it optimises the picture times ``white_level``.
        white_level: the value of white for the solver. L-BFGS without a line search, and Adam, depend on it.
        min_relative_decrease: smallest relative fall of the loss over 25 iterations; below it the level ends. 0 never
            ends a level early.
        resume: a state from :meth:`impasto.engine.step.Step.state`. With it, ``start`` serves only to go back.
        steering: changes the course between two steps, or goes back.
        start_at: makes the start at any size. A level begins with it where its loss is below that of the enlarged
            result of the level before, which happens where enlarging costs more than the coarse level gained.

    Raises:
        DivergedError: the loss is not finite, and neither restarting nor another solver helped.
    """
    steering = steering or Steering()
    painting = _Painting(
        x=(pad_mirrored(start, pyramid.margin) * white_level).contiguous(),
        solver=solver,
        watchdog=Watchdog(min_relative_decrease=min_relative_decrease),
        white_level=white_level,
        pyramid=pyramid,
        course=course,
    )
    if resume is not None:
        painting.restore(resume, solver)
        resume = None  # free it: the state may take as much memory as the rest of the painting
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
            raise RuntimeError(
                "the next step: expected no request after the picture has been taken, got one; "
                "use `painted` instead of `take()` to continue"
            )
        now = steering.course(painting.done, course)
        steering.snapshot_if_due(painting.done, painting.state, course_changes=now != painting.course)
        painting.steer(now)
        painting.prepare(content, styles, start_at)
        step, position = painting.advance()
        # Only right before the yield, so that after an interrupt during the iteration the previous step stays valid.
        painting.position = position
        if not steering.is_replaying(step.done):
            yield step


def _course_until(painting: _Painting, steering: Steering, first: Course) -> Course:
    """The course of the newest step; a change of course at the current iteration is not applied yet."""
    return steering.course(max(painting.done - 1, 0), first)


def _unprepared(x: Tensor, *, with_gradient: bool = True, sample_index: int = 0) -> Evaluation:
    raise RuntimeError("the losses: expected a prepared level, got none; request a step first")


@dataclass
class _Painting:
    """The state of the main loop; changes one picture in place. A :class:`impasto.engine.step.Canvas`."""

    x: Tensor
    solver: Solver
    watchdog: Watchdog
    white_level: float  # 1 during a change of level, so that an interrupt there leaves a valid picture
    pyramid: Pyramid
    course: Course
    position: tuple[int, int, int] = (0, 0, 0)  # level, iterations done at it, iterations done
    evaluate: EvaluateSample = _unprepared
    taken: bool = False
    returns: int = 0  # number of returns to an earlier step, after which an iteration can occur again

    # --- read by steps --------------------------------------------------------------------------------------

    @property
    def version(self) -> tuple[int, int]:
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
        best = crop_margin(self.solver.best(self.x), self.pyramid.margin)
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
            # The taken picture has no margin, so this evaluation does not fit it; the caller needs its memory.
            self.evaluate = _unprepared
        return crop_margin(best.div_(self.white_level).clamp_(0.0, 1.0), self.pyramid.margin)

    def judge(self, picture: Tensor, *, white: float) -> Evaluation:
        scale = self.white_level / white
        return self.evaluate(picture if scale == 1.0 else picture * scale, with_gradient=False)

    def release(self) -> None:
        self.evaluate, self.taken = _unprepared, True
        self.course = replace(
            self.course, prepare=lambda content, styles: _unprepared
        )  # which keeps the network
        self.solver.restart()
        self.watchdog.restart()

    def state(self) -> State:
        self._check_not_taken()
        return (
            {"position": torch.tensor(self.position), "x": self.x}
            | {f"solver.{name}": tensor for name, tensor in self.solver.state().items()}
            | {f"watchdog.{name}": tensor for name, tensor in self.watchdog.state().items()}
        )

    def _check_not_taken(self) -> None:
        if self.taken:
            raise RuntimeError(
                "the picture and the state of a step: expected a call before take(), got one after it; "
                "use the picture that take() returned"
            )

    # --- changing the position ------------------------------------------------------------------------------

    @property
    def level_is_over(self) -> bool:
        number, done_here, _ = self.position
        return done_here >= self.pyramid.levels[number].iterations

    def restore(self, state: State, solver: Solver) -> None:
        """Restore ``state`` with that solver, or with the fallback solver if it had taken over."""
        level, done_here, done = clone(state["position"]).tolist()
        self.x = clone(state["x"]).to(self.x.device)
        self.watchdog.restore(_part(state, "watchdog."))
        self.solver = _fallback(self.white_level) if self.watchdog.switched else solver
        self.solver.restore(_part(state, "solver."), self.x)
        self.position = (level, done_here, done)

    def go_back(self, state: State | None, start: Tensor, solver: Solver) -> None:
        """Rewind to ``state``, or to the start without one."""
        self.evaluate, self.taken = _unprepared, False
        self.returns += 1
        if state is not None:
            self.restore(state, solver)
            return
        solver.restart()
        self.solver = solver
        self.watchdog = Watchdog(min_relative_decrease=self.watchdog.min_relative_decrease)
        self.x = (pad_mirrored(start, self.pyramid.margin) * self.white_level).contiguous()
        self.position = (0, 0, 0)

    def go_up(self, content: Tensor) -> None:
        """Begin the next level."""
        number, _, done = self.position
        pyramid, white_level, margin = self.pyramid, self.white_level, self.pyramid.margin
        coarse, fine = (pyramid.levels[each].size for each in (number, number + 1))
        # Free this level's memory before the next level's pictures, the largest tensors, are made. A step that the
        # caller stores does not keep the previous level in memory either.
        self.evaluate = _unprepared
        self.x, self.white_level = self.solver.best(self.x).div_(white_level).clamp_(0.0, 1.0), 1.0
        self.watchdog.restart()
        self.solver.resize((fine[0] + 2 * margin, fine[1] + 2 * margin))
        inner = crop_margin(self.x, margin)
        release_free_memory()
        larger = upsample(
            inner,
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
        """Use ``course`` from here on."""
        if course.prepare is not self.course.prepare:
            # The curvature pairs of L-BFGS belong to the old objective. Adam's second moment would persist for about
            # a hundred steps, and make steps along a smaller new gradient negligible. Losses from before and after
            # the change are not comparable.
            self.evaluate = _unprepared
            self.solver.restart()
            self.watchdog.restart()
        self.course = course
        if not self.watchdog.switched:  # the fallback solver has its own learning rate
            self.solver.learning_rate = course.learning_rate

    def prepare(
        self, content: Tensor, styles: Sequence[Tensor], start_at: Callable[[Size], Tensor] | None
    ) -> None:
        """Make the evaluation of this level unless it exists."""
        if self.evaluate is not _unprepared:
            return
        number, done_here, _ = self.position
        self.evaluate = self.course.prepare(
            self.pyramid.content(content, number), self.pyramid.styles(styles, number)
        )
        if start_at is not None and number and not done_here:
            self._begin_lower(start_at(self.pyramid.levels[number].size))

    def _begin_lower(self, start: Tensor) -> None:
        """Begin a level with ``start``, in [0, 1] and without a margin, if its loss is lower than that of ``x``."""
        start = (pad_mirrored(start, self.pyramid.margin) * self.white_level).contiguous()
        from_start, from_level_before = (self.evaluate(x, with_gradient=False).loss for x in (start, self.x))
        if from_start < from_level_before:
            self.x = start

    def advance(self) -> tuple[Step, tuple[int, int, int]]:
        """Do one iteration; returns its step, and the position after it."""
        number, done_here, done = self.position
        level = self.pyramid.levels[number]
        update, notes, over = self._update()
        iteration, done = done_here + 1, done + 1
        # A level that ended early counts as complete, so that a resumed painting continues with the next level.
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
            _version=(done, self.returns),
        )
        return step, position

    def _update(self) -> tuple[Update, tuple[str, ...], bool]:
        """The solver's step, and the watchdog's verdict on it: notes, and whether the level is over."""
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
                    f"the optimisation cannot continue: {verdict.reason}, and restarting did not help"
                )


def _fallback(white_level: float) -> Adam:
    """The solver used where L-BFGS fails: its steps are small and bounded, whatever the scale of the loss."""
    return Adam(learning_rate=0.01 * white_level, betas=(0.9, 0.99), bounds=(0.0, white_level))


def _part(state: State, prefix: str) -> State:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
