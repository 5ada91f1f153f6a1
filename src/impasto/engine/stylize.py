"""The generator at the centre: paints a picture step by step, and lets whoever iterates watch, save and stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from impasto.engine.evaluation import Evaluate, Evaluation, Prepare
from impasto.engine.pyramid import Level, Resample, carry_up, resize
from impasto.engine.solvers import Adam, Solver, State, Update
from impasto.engine.watchdog import Watchdog
from impasto.errors import DivergedError


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
    _current: Callable[[], tuple[Solver, Tensor, tuple[int, int, int]]] = field(repr=False)
    _watchdog: Watchdog = field(repr=False)
    _evaluate: Evaluate = field(repr=False)
    _unit: float = field(repr=False)

    @property
    def image(self) -> Tensor:
        """The picture after this iteration: (1, 3, H, W), RGB in [0, 1].

        Raises:
            RuntimeError: the next step has been asked for; the picture is painted in place.
        """
        solver, x, _ = self._current()
        return (solver.best(x) / self._unit).clamp_(0.0, 1.0)

    def judge(self, picture: Tensor, *, white: float) -> Evaluation:
        """The losses of any picture of this level's size, (1, 3, H, W) in [0, white]."""
        return self._evaluate(picture if white == self._unit else picture * (self._unit / white), slope=False)

    def state(self) -> dict[str, Tensor]:
        """All that is needed to go on from here, for ``resume``.

        Raises:
            RuntimeError: the next step has been asked for.
        """
        solver, x, position = self._current()
        return (
            {"position": torch.tensor(position), "x": x.detach().clone()}
            | {f"solver.{name}": tensor for name, tensor in solver.state().items()}
            | {f"watchdog.{name}": tensor for name, tensor in self._watchdog.state().items()}
        )


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
    resample: Resample = "bicubic",
    resume: State | None = None,
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
        resample: how content and styles are brought to a level's size.
        resume: what :meth:`Step.state` gave; ``start`` is ignored then.

    Raises:
        DivergedError: the loss is not finite, and neither restarting nor another solver helped.
    """
    watchdog = Watchdog(least_fall=least_fall)
    x = (start * unit).contiguous()
    first, done_here, done = 0, 0, 0
    if resume is not None:
        first, done_here, done = (int(value) for value in resume["position"])
        x = resume["x"].to(start.device, copy=True)
        watchdog.restore(_part(resume, "watchdog."))
        if watchdog.switched:
            solver = _fallback(unit)
        solver.restore(_part(resume, "solver."), x)

    planned = sum(level.iterations for level in levels)
    skipped = sum(level.iterations for level in levels[:first]) + done_here - done
    for number in range(first, len(levels)):
        level = levels[number]
        content_here = resize(content, level.size, resample)
        if number > first:
            coarse = resize(content, levels[number - 1].size, resample)
            x = (solver.best(x) / unit).clamp_(0.0, 1.0)
            x = carry_up(x, (coarse, content_here), detail).mul_(unit)
            del coarse
            solver.resize(x)
            watchdog.restart()
            done_here = 0
        evaluate = prepare(
            content_here,
            [resize(style, size, resample) for style, size in zip(styles, level.styles, strict=True)],
        )
        del content_here
        while done_here < level.iterations:
            update, solver, notes, over = _advance(x, evaluate, solver, watchdog, unit)
            iteration, done = done_here + 1, done + 1
            # A level that is over counts as done to its last iteration, so that resuming goes to the next one.
            done_here = level.iterations if over else iteration
            skipped += done_here - iteration

            # Bound now: the names change with the next step, and the picture with them.
            def current(
                solver: Solver = solver,
                x: Tensor = x,
                position: tuple[int, int, int] = (number, done_here, done),
            ) -> tuple[Solver, Tensor, tuple[int, int, int]]:
                if position[-1] != done:  # noqa: B023  # the newest, that is the point
                    raise RuntimeError(
                        "a step's picture and state: expected before the next step, came after it"
                    )
                return solver, x, position

            yield Step(
                level=number,
                levels=len(levels),
                iteration=iteration,
                iterations=level.iterations,
                done=done,
                planned=planned - skipped,
                loss=update.loss,
                losses=update.terms,
                notes=notes,
                _current=current,
                _unit=unit,
                _watchdog=watchdog,
                _evaluate=evaluate,
            )


def _advance(
    x: Tensor, evaluate: Evaluate, solver: Solver, watchdog: Watchdog, unit: float
) -> tuple[Update, Solver, tuple[str, ...], bool]:
    """One step of x, and what the watchdog makes of it: the update, solver, notes, whether the level is over."""
    update = solver.step(x, watchdog.watching(evaluate))
    verdict = watchdog.judge(update)
    match verdict.remedy:
        case "go on":
            return update, solver, (), False
        case "next level":
            return update, solver, (f"{verdict.reason}: this size is done",), True
        case "restart":
            solver.restart()
            return update, solver, (f"{verdict.reason}: restarted",), False
        case "switch":
            note = f"{verdict.reason} again: Adam takes over"
            return update, _fallback(unit), (note,), False
        case "give up":
            raise DivergedError(
                f"the optimisation cannot go on: {verdict.reason}, and restarting did not help"
            )


def _fallback(unit: float) -> Adam:
    """The solver for what L-BFGS cannot do: small bounded steps, whatever the loss's scale."""
    return Adam(learning_rate=0.01 * unit, betas=(0.9, 0.99), bounds=(0.0, unit))


def _part(state: State, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
