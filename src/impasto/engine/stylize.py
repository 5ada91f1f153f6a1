"""The generator at the centre: paints a picture step by step, and lets whoever iterates watch, save and stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from impasto.engine.evaluation import Evaluate, EvaluateAtTurn, Evaluation, Prepare
from impasto.engine.pyramid import Level, Resample, Size, carry_up, resize
from impasto.engine.solvers import Adam, Solver, Update
from impasto.engine.state import State, own
from impasto.engine.watchdog import Watchdog
from impasto.errors import DivergedError

REDRAW = 10
"""Iterations between two random samples, for losses that look at one: enough for L-BFGS to learn from each."""


@dataclass(frozen=True)
class Step:
    """One iteration, done.

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
    _painting: _Painting = field(repr=False)

    @property
    def image(self) -> Tensor:
        """The picture after this iteration, finished: (1, 3, H, W), RGB in [0, 1].

        Raises:
            RuntimeError: the next step has been asked for; the picture is painted in place.
        """
        return self._painting.finish(self.painted)

    @property
    def painted(self) -> Tensor:
        """The picture after this iteration as the losses see it.

        Raises:
            RuntimeError: the next step has been asked for.
        """
        painting = self._now()
        return (painting.solver.best(painting.x) / painting.unit).clamp_(0.0, 1.0)

    def take(self) -> Tensor:
        """:attr:`painted`, without a copy of it being made: for who wants no further step, and cannot have one.

        Raises:
            RuntimeError: the next step has been asked for.
        """
        painting = self._now()
        best = painting.solver.best(painting.x)
        painting.solver.restart()
        painting.watchdog.restart()
        painting.taken = True
        return best.div_(painting.unit).clamp_(0.0, 1.0)

    def judge(self, picture: Tensor, *, white: float) -> Evaluation:
        """The losses of any picture of this level's size, (1, 3, H, W) in [0, white].

        Raises:
            RuntimeError: the next level has been begun.
        """
        painting = self._painting
        if painting.position[0] != self.level:
            raise RuntimeError("a step's losses: expected at its own level, came after it")
        unit = painting.unit
        return painting.evaluate(picture if white == unit else picture * (unit / white), slope=False)

    def state(self) -> dict[str, Tensor]:
        """All that is needed to go on from here, for ``resume``.

        Raises:
            RuntimeError: the next step has been asked for.
        """
        return {name: own(tensor) for name, tensor in self.live_state().items()}

    def live_state(self) -> State:
        """The same without a copy of it being made: good until the next step is asked for.

        Raises:
            RuntimeError: it has been asked for.
        """
        painting = self._now()
        return (
            {"position": torch.tensor(painting.position), "x": painting.x}
            | {f"solver.{name}": tensor for name, tensor in painting.solver.state().items()}
            | {f"watchdog.{name}": tensor for name, tensor in painting.watchdog.state().items()}
        )

    def _now(self) -> _Painting:
        painting = self._painting
        if painting.position[-1] != self.done:
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
    unit: float  # what white is in x; 1 while going up a level, so that Ctrl-C then leaves a picture too
    position: tuple[int, int, int]  # level, iterations done at it, iterations done
    evaluate: EvaluateAtTurn
    finish: Callable[[Tensor], Tensor]
    taken: bool = False


def iterate(
    *,
    content: Tensor,
    styles: Sequence[Tensor],
    prepare: Prepare,
    levels: Sequence[Level],
    start: Tensor,
    solver: Solver,
    unit: float = 1.0,
    detail: float = 0.0,
    least_fall: float = 0.0,
    redraw: int = 0,
    resample: Resample = "bicubic",
    resume: State | None = None,
    finish: Callable[[Tensor], Tensor] = lambda picture: picture,
    seamless: bool = False,
) -> Iterator[Step]:
    """Paint, one step at a time. Closing the generator stops it; nothing is lost but the step under way.

    Args:
        content: (1, 3, H, W), RGB in [0, 1].
        styles: one or more such pictures.
        prepare: what to minimise: given the pictures at a level's size, how to evaluate, with the same ``unit``.
        levels: sizes and iterations, coarse to fine.
        start: (1, 3, h, w) at the first level's size; may leave [0, 1].
        solver: fresh; it works on the picture times ``unit``.
        unit: what white is for the solver. L-BFGS without a line search, and Adam, depend on it.
        detail: share of the content's detail added when going up a level (see :func:`carry_up`).
        least_fall: share by which the loss must fall over 25 iterations for a level to go on; 0 never stops early.
        redraw: iterations after which losses that look at a random sample look at another; 0 where none do.
        resample: how content and styles are brought to a level's size.
        resume: what :meth:`Step.state` gave; ``start`` is ignored then.
        finish: what becomes of a picture in [0, 1] when it is looked at.
        seamless: the picture goes on at its other side.

    Raises:
        DivergedError: the loss is not finite, and neither restarting nor another solver helped.
    """
    painting = _Painting(
        x=(start * unit).contiguous(),
        solver=solver,
        watchdog=Watchdog(least_fall=least_fall),
        unit=unit,
        position=(0, 0, 0),
        evaluate=_unprepared,
        finish=finish,
    )
    if resume is not None:
        _restore(painting, resume)
        resume = None  # it may be as large as all that is painted with
    first, done_here, done = painting.position
    planned = sum(level.iterations for level in levels)
    skipped = sum(level.iterations for level in levels[:first]) + done_here - done
    for number in range(first, len(levels)):
        level = levels[number]
        painting.evaluate = _unprepared  # a step that is kept does not keep the level before
        if number > first:
            sizes = levels[number - 1].size, level.size
            _go_up(painting, content, sizes, detail, resample, seamless)
            done_here = 0
        painting.position = (number, done_here, done)
        painting.evaluate = prepare(
            partial(resize, content, level.size, resample),
            [
                partial(resize, style, size, resample)
                for style, size in zip(styles, level.styles, strict=True)
            ],
        )
        while done_here < level.iterations:
            if painting.taken:
                raise RuntimeError("the next step: expected none after the picture has been taken")
            update, notes, over = _advance(painting, redraw)
            iteration, done = done_here + 1, done + 1
            # A level that is over counts as done to its last iteration, so that resuming goes to the next one.
            done_here = level.iterations if over else iteration
            skipped += done_here - iteration
            step = Step(
                level=number,
                levels=len(levels),
                iteration=iteration,
                iterations=level.iterations,
                done=done,
                planned=planned - skipped,
                loss=update.loss,
                losses=update.terms,
                notes=notes,
                _painting=painting,
            )
            # Not a moment before it is handed out: whoever is interrupted has the step before until then.
            painting.position = (number, done_here, done)
            yield step


def _unprepared(x: Tensor, *, slope: bool = True, turn: int = 0) -> Evaluation:
    raise RuntimeError("the losses: expected a level that has begun")


def _restore(painting: _Painting, state: State) -> None:
    level, done_here, done = own(state["position"]).tolist()
    painting.position = (level, done_here, done)
    painting.x = own(state["x"]).to(painting.x.device)
    painting.watchdog.restore(_part(state, "watchdog."))
    if painting.watchdog.switched:
        painting.solver = _fallback(painting.unit)
    painting.solver.restore(_part(state, "solver."), painting.x)


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
    unit = painting.unit
    painting.x, painting.unit = painting.solver.best(painting.x).div_(unit).clamp_(0.0, 1.0), 1.0
    painting.watchdog.restart()
    painting.solver.resize(sizes[1])
    larger = carry_up(painting.x, content, sizes, detail, resample=resample, seamless=seamless)
    painting.x, painting.unit = larger.mul_(unit), unit


def _advance(painting: _Painting, redraw: int) -> tuple[Update, tuple[str, ...], bool]:
    """One step, and what the watchdog makes of it: the update, notes, whether the level is over."""
    evaluate: Evaluate = painting.evaluate
    if redraw:
        _, done_here, _ = painting.position
        if done_here % redraw == 0:
            painting.solver.redrawn()
        evaluate = partial(painting.evaluate, turn=done_here // redraw)
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
            painting.solver = _fallback(painting.unit)
            return update, (f"{verdict.reason} again: Adam takes over",), False
        case "give up":
            raise DivergedError(
                f"the optimisation cannot go on: {verdict.reason}, and restarting did not help"
            )


def _fallback(unit: float) -> Adam:
    """The solver for what L-BFGS cannot do: small bounded steps, whatever the loss's scale."""
    return Adam(learning_rate=0.01 * unit, betas=(0.9, 0.99), bounds=(0.0, unit))


def _part(state: State, prefix: str) -> State:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
