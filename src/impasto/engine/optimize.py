"""The generator at the centre: paints a picture step by step, and lets whoever iterates watch, save and stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial

import torch
from torch import Tensor

from impasto.engine.evaluation import Evaluate, EvaluateAtTurn, Evaluation, EvaluatorFactory
from impasto.engine.memory import release_free_memory
from impasto.engine.pyramid import Level, carry_up, resize_wide, trimmed, widened
from impasto.engine.solvers.adam import Adam
from impasto.engine.solvers.solver import Solver, Update
from impasto.engine.solvers.state import State, clone
from impasto.engine.steering import Course, Finish, Steering
from impasto.engine.watchdog import Watchdog
from impasto.errors import DivergedError
from impasto.geometry import Resample, Size, resize

RESAMPLE_EVERY = 10
"""Iterations between two random samples, for losses that look at one: enough for L-BFGS to learn from each."""


@dataclass(frozen=True)
class Progress:
    """One iteration in numbers; it can be pickled, and holds nothing of the picture.

    Attributes:
        level: number of the level, from 0.
        levels: how many there are.
        iteration: iterations done at this level, from 1.
        iterations: how many are planned at this level.
        done: iterations done at all levels.
        planned: iterations planned at all levels; fewer are done where the loss stops falling.
        loss: the total at the picture this iteration started from.
        losses: its weighted terms by name.
        notes: what the watchdog noticed and did, one line each.
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


@dataclass(frozen=True)
class Step(Progress):
    """One iteration, done: its numbers, and a view of the picture, which is painted in place."""

    _painting: _Painting = field(repr=False)
    _returns: int = field(repr=False)

    @property
    def progress(self) -> Progress:
        """The numbers alone, for whoever keeps them: a step keeps the picture, the solver and the network alive."""
        return Progress(**{each.name: getattr(self, each.name) for each in fields(Progress)})

    @property
    def image(self) -> Tensor:
        """The picture after this iteration, finished: (1, 3, H, W), RGB in [0, 1].

        Raises:
            RuntimeError: the next step has been asked for; the picture is painted in place.
        """
        return self._painting.course.finish(self.painted)

    @property
    def painted(self) -> Tensor:
        """The picture after this iteration as the losses see it.

        Raises:
            RuntimeError: the next step has been asked for.
        """
        painting = self._now()
        best = trimmed(painting.solver.best(painting.x), painting.margin)
        return (best / painting.white_level).clamp_(0.0, 1.0)

    def take(self) -> Tensor:
        """:attr:`painted`, without a copy of it being made: for who wants no further step, and cannot have one.

        A picture with a margin cannot be judged by :meth:`judge` either then.

        Raises:
            RuntimeError: the next step has been asked for.
        """
        painting = self._now()
        best = painting.solver.best(painting.x)
        painting.solver.restart()
        painting.watchdog.restart()
        painting.taken = True
        if painting.margin:
            # What is taken is judged without its margin, by who prepares that and needs the room for it.
            painting.evaluate = _unprepared
        return trimmed(best.div_(painting.white_level).clamp_(0.0, 1.0), painting.margin)

    def judge(self, picture: Tensor, *, white: float) -> Evaluation:
        """The losses of any picture of this level's size, its margin included, (1, 3, H, W) in [0, white].

        Raises:
            RuntimeError: the next level has been begun.
        """
        painting = self._painting
        if painting.position[0] != self.level:
            raise RuntimeError("a step's losses: expected at its own level, came after it")
        white_level = painting.white_level
        return painting.evaluate(
            picture if white == white_level else picture * (white_level / white), with_gradient=False
        )

    def state(self) -> dict[str, Tensor]:
        """All that is needed to go on from here, for ``resume``.

        Raises:
            RuntimeError: the next step has been asked for.
        """
        return {name: clone(tensor) for name, tensor in self.live_state().items()}

    def live_state(self) -> State:
        """The same without a copy of it being made: good until the next step is asked for.

        Raises:
            RuntimeError: it has been asked for.
        """
        return self._now().state()

    def _now(self) -> _Painting:
        painting = self._painting
        if (painting.position[-1], painting.returns) != (self.done, self._returns):
            raise RuntimeError("a step's picture and state: expected before the next step, came after it")
        if painting.taken:
            raise RuntimeError("a step's picture and state: the picture has been taken")
        return painting


@dataclass
class _Painting:
    """The one picture that is painted, in place; every step refers to it."""

    x: Tensor
    solver: Solver
    watchdog: Watchdog
    white_level: float  # 1 while going up a level, so that Ctrl-C then leaves a picture too
    position: tuple[int, int, int]  # level, iterations done at it, iterations done
    course: Course
    evaluate: EvaluateAtTurn
    margin: int  # of x, on every side, which nobody is shown
    taken: bool = False
    returns: int = 0  # how often it has gone back: there may be other steps as far as those of before

    def state(self) -> State:
        """All that is needed to go on, good until the next step."""
        return (
            {"position": torch.tensor(self.position), "x": self.x}
            | {f"solver.{name}": tensor for name, tensor in self.solver.state().items()}
            | {f"watchdog.{name}": tensor for name, tensor in self.watchdog.state().items()}
        )

    def restore(self, state: State, solver: Solver) -> None:
        """Go on from ``state`` with that solver, or with the one that had taken over."""
        level, done_here, done = clone(state["position"]).tolist()
        self.x = clone(state["x"]).to(self.x.device)
        self.watchdog.restore(_part(state, "watchdog."))
        self.solver = _fallback(self.white_level) if self.watchdog.switched else solver
        self.solver.restore(_part(state, "solver."), self.x)
        self.position = (level, done_here, done)

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


def iterate(
    *,
    content: Tensor,
    styles: Sequence[Tensor],
    prepare: EvaluatorFactory,
    levels: Sequence[Level],
    start: Tensor,
    solver: Solver,
    white_level: float = 1.0,
    detail: float = 0.0,
    min_relative_decrease: float = 0.0,
    resample_every: int = 0,
    resample: Resample = "bicubic",
    resume: State | None = None,
    finish: Finish = lambda picture: picture,
    seamless: bool = False,
    margin: int = 0,
    steering: Steering | None = None,
    start_at: Callable[[Size], Tensor] | None = None,
) -> Iterator[Step]:
    """Paint, one step at a time. Closing the generator stops it; nothing is lost but the step under way.

    Args:
        content: (1, 3, H, W), RGB in [0, 1].
        styles: one or more such pictures.
        prepare: what to minimise: given the pictures at a level's size, how to evaluate, with the same
            ``white_level``.
        levels: sizes and iterations, coarse to fine.
        start: (1, 3, h, w) at the first level's size; may leave [0, 1].
        solver: fresh; it works on the picture times ``white_level``.
        white_level: what white is for the solver. L-BFGS without a line search, and Adam, depend on it.
        detail: share of the content's detail added when going up a level (see :func:`carry_up`).
        min_relative_decrease: share by which the loss must fall over 25 iterations for a level to go on; 0 never
            stops early.
        resample_every: iterations after which losses that look at a random sample look at another; 0 where none do.
        resample: how content and styles are brought to a level's size.
        resume: what :meth:`Step.state` gave; ``start`` is only what may be gone back to then.
        finish: what becomes of a picture in [0, 1] when it is looked at.
        seamless: the picture goes on at its other side.
        margin: pixels painted beyond every edge, where the content is mirrored, and shown to nobody: what a network
            that sees zeros beyond leaves at an edge, it leaves there.
        steering: changes ``prepare``, ``resample_every``, ``finish`` and the solver's learning rate between two
            steps.
        start_at: the start at any size. A level begins with it where its loss is below that of what was carried up:
            where little is to be painted, that has lost more on its way than it has gained.

    Raises:
        DivergedError: the loss is not finite, and neither restarting nor another solver helped.
    """
    steering = steering or Steering()
    first = Course(prepare, solver.learning_rate, resample_every, finish)
    painting = _Painting(
        x=(widened(start, margin) * white_level).contiguous(),
        solver=solver,
        watchdog=Watchdog(min_relative_decrease=min_relative_decrease),
        white_level=white_level,
        position=(0, 0, 0),
        course=first,
        evaluate=_unprepared,
        margin=margin,
    )
    if resume is not None:
        painting.restore(resume, solver)
        resume = None  # it may be as large as all that is painted with
    painting.course = _course_until(painting, steering, first)
    while True:
        if steering.must_rewind(painting.position[-1]):
            _go_back(painting, steering, start, solver)
            painting.course = _course_until(painting, steering, first)
        number, done_here, done = painting.position
        level = levels[number]
        if done_here >= level.iterations:
            if number + 1 == len(levels):
                return
            painting.evaluate = _unprepared  # a step that is kept does not keep the level before
            _go_up(painting, content, (level.size, levels[number + 1].size), detail, resample, seamless)
            painting.position = (number + 1, 0, done)
            continue
        if painting.taken:
            raise RuntimeError("the next step: expected none after the picture has been taken")
        course = steering.course(done, first)
        steering.snapshot_if_due(done, painting.state, turning=course != painting.course)
        painting.steer(course)
        if painting.evaluate is _unprepared:
            painting.evaluate = course.prepare(
                partial(resize_wide, content, level.size, resample, margin),
                [
                    partial(resize, style, size, resample)
                    for style, size in zip(styles, level.styles, strict=True)
                ],
            )
            if start_at is not None and number and not done_here:
                _begin_lower(painting, start_at(level.size))
        update, notes, over = _advance(painting)
        iteration, done = done_here + 1, done + 1
        # A level that is over counts as done to its last iteration, so that resuming goes to the next one.
        position = (number, level.iterations if over else iteration, done)
        step = Step(
            level=number,
            levels=len(levels),
            iteration=iteration,
            iterations=level.iterations,
            done=done,
            planned=done + sum(each.iterations for each in levels[number:]) - position[1],
            loss=update.loss,
            losses=update.terms,
            notes=notes,
            _painting=painting,
            _returns=painting.returns,
        )
        # Not a moment before it is handed out: whoever is interrupted has the step before until then.
        painting.position = position
        if not steering.is_replaying(done):
            yield step


def _unprepared(x: Tensor, *, with_gradient: bool = True, sample_index: int = 0) -> Evaluation:
    raise RuntimeError("the losses: expected a level that has begun")


def _course_until(painting: _Painting, steering: Steering, first: Course) -> Course:
    """What the newest step went by; another course that begins here has not been taken yet."""
    return steering.course(max(painting.position[-1] - 1, 0), first)


def _go_back(painting: _Painting, steering: Steering, start: Tensor, solver: Solver) -> None:
    """The painting as it was when the newest state was kept, or in the beginning."""
    painting.evaluate, painting.taken = _unprepared, False
    painting.returns += 1
    state = steering.latest_snapshot()
    if state is not None:
        painting.restore(state, solver)
        return
    solver.restart()
    painting.solver, painting.watchdog = (
        solver,
        Watchdog(min_relative_decrease=painting.watchdog.min_relative_decrease),
    )
    painting.x = (widened(start, painting.margin) * painting.white_level).contiguous()
    painting.position = (0, 0, 0)


def _go_up(
    painting: _Painting,
    content: Tensor,
    sizes: tuple[Size, Size],
    detail: float,
    resample: Resample,
    seamless: bool,
) -> None:
    """The picture at the next level's size."""
    # Nothing of this level is needed any more, and the next one's pictures are the largest things there are.
    white_level = painting.white_level
    painting.x, painting.white_level = (
        painting.solver.best(painting.x).div_(white_level).clamp_(0.0, 1.0),
        1.0,
    )
    painting.watchdog.restart()
    margin = painting.margin
    height, width = sizes[1]
    painting.solver.resize((height + 2 * margin, width + 2 * margin))
    own = trimmed(painting.x, margin)
    release_free_memory()
    larger = carry_up(own, content, sizes, detail, resample=resample, seamless=seamless, margin=margin)
    painting.x, painting.white_level = larger.mul_(white_level), white_level


def _begin_lower(painting: _Painting, start: Tensor) -> None:
    """Begin a level with ``start``, in [0, 1] and without a margin, if its loss is lower."""
    start = (widened(start, painting.margin) * painting.white_level).contiguous()
    ours, carried = (painting.evaluate(x, with_gradient=False).loss for x in (start, painting.x))
    if ours < carried:
        painting.x = start


def _advance(painting: _Painting) -> tuple[Update, tuple[str, ...], bool]:
    """One step, and what the watchdog makes of it: the update, notes, whether the level is over."""
    evaluate: Evaluate = painting.evaluate
    resample_every = painting.course.resample_every
    if resample_every:
        _, done_here, _ = painting.position
        if done_here % resample_every == 0:
            painting.solver.resampled()
        evaluate = partial(painting.evaluate, sample_index=done_here // resample_every)
    update = painting.solver.step(painting.x, painting.watchdog.watching(evaluate))
    verdict = painting.watchdog.judge(update)
    match verdict.remedy:
        case "go on":
            return update, (), False
        case "next level":
            return update, (f"{verdict.reason}: this size is done",), True
        case "restart":
            painting.solver.restart()
            return update, (f"{verdict.reason}: restarted",), False
        case "switch":
            painting.solver = _fallback(painting.white_level)
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
