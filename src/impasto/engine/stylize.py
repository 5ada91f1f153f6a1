"""The generator at the centre: paints a picture step by step, and lets whoever iterates watch, save and stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from impasto.engine.evaluation import Evaluate, Evaluation, Prepare
from impasto.engine.pyramid import Level, Resample, carry_up, resize
from impasto.engine.solvers import Adam, Solver, State
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
    _painting: Callable[[], Tensor] = field(repr=False)
    _state: Callable[[], dict[str, Tensor]] = field(repr=False)

    @property
    def image(self) -> Tensor:
        """The picture after this iteration: (1, 3, H, W), RGB in [0, 1]."""
        return self._painting()

    def state(self) -> dict[str, Tensor]:
        """All that is needed to go on from here, for ``resume``. Take it before asking for the next step."""
        return self._state()


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
    x = start * unit
    first, done_here, done = 0, 0, 0
    if resume is not None:
        first, done_here, done = (int(value) for value in resume["position"])
        x = resume["x"].to(start.device)
        watchdog.restore(_part(resume, "watchdog."))
        if watchdog.switched:
            solver = _fallback(unit)
        solver.restore(_part(resume, "solver."))

    planned = sum(level.iterations for level in levels)
    skipped = sum(level.iterations for level in levels[:first]) + done_here - done
    for number in range(first, len(levels)):
        level = levels[number]
        content_here = resize(content, level.size, resample)
        if number > first:
            coarse = resize(content, levels[number - 1].size, resample)
            x = unit * carry_up((solver.best(x) / unit).clamp(0.0, 1.0), (coarse, content_here), detail)
            solver.resize(x)
            watchdog.restart()
            done_here = 0
        evaluate = prepare(
            content_here,
            [resize(style, size, resample) for style, size in zip(styles, level.styles, strict=True)],
        )
        while done_here < level.iterations:
            x, at, solver, notes, over = _advance(x, evaluate, solver, watchdog, unit)
            iteration, done = done_here + 1, done + 1
            # A level that is over counts as done to its last iteration, so that resuming goes to the next one.
            done_here = level.iterations if over else iteration
            skipped += done_here - iteration

            picture = solver.best(x)

            # Bound now: the names change with the next step.
            def painting(picture: Tensor = picture) -> Tensor:
                return (picture / unit).clamp(0.0, 1.0)

            def state(
                solver: Solver = solver,
                x: Tensor = x,
                position: tuple[int, int, int] = (number, done_here, done),
            ) -> dict[str, Tensor]:
                return (
                    {"position": torch.tensor(position), "x": x.detach().clone()}
                    | {f"solver.{name}": tensor for name, tensor in solver.state().items()}
                    | {f"watchdog.{name}": tensor for name, tensor in watchdog.state().items()}
                )

            yield Step(
                level=number,
                levels=len(levels),
                iteration=iteration,
                iterations=level.iterations,
                done=done,
                planned=planned - skipped,
                loss=at.loss,
                losses=at.terms,
                notes=notes,
                _painting=painting,
                _state=state,
            )


def _advance(
    x: Tensor, evaluate: Evaluate, solver: Solver, watchdog: Watchdog, unit: float
) -> tuple[Tensor, Evaluation, Solver, tuple[str, ...], bool]:
    """One step, and what the watchdog makes of it: next x, evaluation, solver, notes, whether the level is over."""
    update = solver.step(x, evaluate)
    verdict = watchdog.judge(x, update)
    match verdict.remedy:
        case "go on":
            return verdict.x, update.at, solver, (), False
        case "next level":
            return verdict.x, update.at, solver, (f"{verdict.reason}: this size is done",), True
        case "restart":
            solver.restart()
            return verdict.x, update.at, solver, (f"{verdict.reason}: restarted",), False
        case "switch":
            note = f"{verdict.reason} again: Adam takes over"
            return verdict.x, update.at, _fallback(unit), (note,), False
        case "give up":
            raise DivergedError(
                f"the optimisation cannot go on: {verdict.reason}, and restarting did not help"
            )


def _fallback(unit: float) -> Adam:
    """The solver for what L-BFGS cannot do: small bounded steps, whatever the loss's scale."""
    return Adam(learning_rate=0.01 * unit, betas=(0.9, 0.99), bounds=(0.0, unit))


def _part(state: State, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
