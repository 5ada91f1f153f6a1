"""Steering: a painting goes back to any step, and every bit is as it was; what is changed counts from its step on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from impasto.engine.cache import LRUCache
from impasto.engine.evaluation import Evaluation, autograd_evaluation
from impasto.engine.optimize import iterate
from impasto.engine.pyramid import Level, Pyramid
from impasto.engine.solvers.adam import Adam
from impasto.engine.solvers.lbfgs import LBFGS
from impasto.engine.steering import Course, Steering
from impasto.engine.step import Step
from impasto.engine.tiling.gradient import tiled
from impasto.losses.content import mean, share
from impasto.losses.gram import Gram
from impasto.losses.objective import ContentTerm, Objective, StyleTerm
from tests.conftest import TinyNetwork
from tests.engine.test_cache import Counting
from tests.engine.test_optimize import DRAWING, MAKERS, OBJECTIVE, _iterate, _picture, _Poisoned

STYLISH: Objective = (ContentTerm("relu2", mean, 1.0), StyleTerm("relu1", Gram(), 90.0, "relu1"))

Bits = tuple[int, float, bytes]


def bits(step: Step) -> Bits:
    return step.done, step.loss, step.painted.numpy().tobytes()


def stylish(network: TinyNetwork, times: float = 1.0) -> Course:
    objective = tuple(replace(term, weight=times * term.weight) for term in STYLISH)
    return Course(autograd_evaluation(network, objective, [1.0]), 0.02)


@pytest.mark.parametrize("limit", [0, 1 << 30])
@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("objective", [OBJECTIVE, DRAWING])
def test_there_and_back_again_is_uninterrupted(
    network: TinyNetwork, name: str, limit: int, objective: Objective
) -> None:
    """To N, on to M, back to N and on: the same bits, over levels, whether states were kept or not."""
    options: dict[str, Any] = {"objective": objective, "resample_every": 3, "detail": 0.5}
    plain = [bits(step) for step in _iterate(MAKERS[name](), network, **options)]
    for far, near in ((5, 3), (6, 6), (7, 6), (14, 4), (18, 13), (9, 0)):
        steering = Steering(limit=limit, every=4)
        steps = _iterate(MAKERS[name](), network, steering=steering, **options)
        found = [bits(next(steps)) for _ in range(far)]
        steering.back_to(near)
        found[near:] = [bits(step) for step in steps]
        assert found == plain
        assert bool(steering.states) == bool(limit)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("at", [2, 6, 9])
def test_what_is_changed_counts_from_there(network: TinyNetwork, name: str, at: int) -> None:
    plain = [bits(step) for step in _iterate(MAKERS[name](), network)]
    steering = Steering(limit=1 << 30)
    steps = _iterate(MAKERS[name](), network, steering=steering)
    live = [bits(next(steps)) for _ in range(at)]
    steering.change(at, stylish(network))
    live += [bits(step) for step in steps]
    assert live[:at] == plain[:at]
    assert all(one != other for one, other in zip(live[at:], plain[at:], strict=True))
    # Known before, it is the same; and so it is after going back beyond it and changing it again.
    known = _iterate(MAKERS[name](), network, steering=Steering({at: stylish(network)}))
    assert [bits(step) for step in known] == live
    steering = Steering(limit=1 << 30)
    steps = _iterate(MAKERS[name](), network, steering=steering)
    for step in steps:
        if step.done == at:
            steering.change(at, stylish(network))
        if step.done == at + 3:
            steering.back_to(at)
            assert steering.states == (at,)
            break
    found = [bits(step) for step in steps]
    assert found == plain[at:]


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("cut", [1, 8, 9, 10, 14])
def test_resumed_before_at_and_after_a_change(network: TinyNetwork, name: str, cut: int) -> None:
    courses = {8: stylish(network), 9: Course(autograd_evaluation(network, OBJECTIVE, [1.0]), 0.01)}
    states, plain = [], []
    for step in _iterate(MAKERS[name](), network, steering=Steering(courses)):
        states.append(step.state())
        plain.append(bits(step))
    resumed = _iterate(MAKERS[name](), network, steering=Steering(courses), resume=states[cut - 1])
    assert [bits(step) for step in resumed] == plain[cut:]
    # What was resumed goes back to before it was.
    steering = Steering(courses)
    steps = _iterate(MAKERS[name](), network, steering=steering, resume=states[cut - 1])
    next(steps)
    steering.back_to(cut)
    for at in (8, 9):
        if at >= cut:
            steering.change(at, courses[at])
    assert [bits(step) for step in steps] == plain[cut:]


def test_a_learning_rate_is_set_without_forgetting(network: TinyNetwork) -> None:
    """Adam's steps grow with it; L-BFGS keeps what it knows."""
    prepare = autograd_evaluation(network, OBJECTIVE, [1.0])

    def steps(make: Callable[[], Any], steering: Steering) -> Iterator[Step]:
        content = _picture(20, 28, 1)
        return iterate(
            content=content,
            styles=[_picture(16, 16, 2)],
            pyramid=Pyramid((Level((20, 28), ((16, 16),), 8),)),
            course=Course(prepare, (solver := make()).learning_rate),
            start=content,
            solver=solver,
            steering=steering,
        )

    def moved(rate: float) -> float:
        steering = Steering({4: Course(prepare, rate)})
        *_, before, after = (
            step.painted for step in _first(steps(lambda: Adam(learning_rate=1e-3), steering), 5)
        )
        return float((after - before).norm())

    assert moved(4e-3) == pytest.approx(4 * moved(1e-3), rel=0.05)
    solver = LBFGS(initial_step_rms=0.02)
    list(_first(steps(lambda: solver, Steering({4: Course(prepare, 0.5)})), 6))
    assert len(solver._pairs) == 5
    solver = LBFGS(initial_step_rms=0.02)
    list(_first(steps(lambda: solver, Steering({4: stylish(network)})), 6))
    assert len(solver._pairs) == 1
    assert solver.learning_rate == 0.02


def _first(steps: Iterator[Step], count: int) -> Iterator[Step]:
    return (next(steps) for _ in range(count))


def test_losses_of_another_objective_are_no_reason_to_stop(network: TinyNetwork) -> None:
    """A level ends where the loss no longer falls; that it is another loss now does not count as a rise."""
    levels = (Level((10, 14), ((8, 8),), 60),)
    steering = Steering({20: stylish(network, 100.0)})
    steps = list(_iterate(MAKERS["lbfgs"](), network, levels, min_relative_decrease=0.001, steering=steering))
    assert steps[20].loss > 5 * steps[19].loss
    assert len(steps) >= 46  # the window of 25 begins anew
    assert not any(step.notes for step in steps[:45])


def test_a_step_of_before_going_back_is_no_longer_there(network: TinyNetwork) -> None:
    steering = Steering(limit=1 << 30, every=2)
    steps = _iterate(MAKERS["adam"](), network, steering=steering)
    *_, old = _first(steps, 5)
    steering.back_to(3)
    assert old.image.shape[-1] == 14  # until the next step is asked for
    new = next(steps)
    new = next(steps)
    assert new.done == old.done == 5
    with pytest.raises(RuntimeError, match="before the next step"):
        _ = old.image
    assert new.image.shape == (1, 3, 10, 14)


def test_going_back_to_before_another_solver_took_over(network: TinyNetwork) -> None:
    levels = (Level((10, 14), ((8, 8),), 20),)
    plain = [bits(step) for step in _iterate(MAKERS["lbfgs"](), network, levels)]
    steering = Steering(limit=1 << 30, every=4)
    steps = _iterate(MAKERS["lbfgs"](), _Poisoned(5, 6), levels, steering=steering)
    noted = [step.notes for step in _first(steps, 8) if step.notes]
    assert "Adam takes over" in noted[-1][0]
    steering.back_to(4)
    assert [bits(step) for step in steps] == plain[4:]


def test_states_are_kept_within_the_limit(network: TinyNetwork) -> None:
    levels = (Level((10, 14), ((8, 8),), 40),)
    one = sum(value.nbytes for value in next(_iterate(MAKERS["adam"](), network, levels)).state().values())
    steering = Steering(limit=int(3.9 * one), every=5)
    list(_iterate(MAKERS["adam"](), network, levels, steering=steering))
    assert steering.states == (25, 30, 35)
    steering = Steering(limit=one // 2, every=1)
    list(_iterate(MAKERS["adam"](), network, levels, steering=steering))
    assert steering.states == ()


def test_another_weight_computes_no_targets() -> None:
    """With what is kept of the pictures, preparing another weight shows the network nothing."""
    from tests.engine.test_cache import network as make

    counting = Counting(make.__wrapped__())
    kept = LRUCache(1 << 30)
    picture = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(3))

    def evaluation(weight: float, kept: LRUCache | None) -> Evaluation:
        objective = (ContentTerm("relu2_1", share, 1.0), StyleTerm("relu1_1", Gram(), weight, "relu1_1"))
        before = counting.forwards
        found = tiled(counting, objective, [1.0], cache=kept)(lambda: picture, [lambda: picture.flip(3)])  # type: ignore[arg-type]
        shown.append(counting.forwards - before)
        return found(picture * 0.5)

    shown: list[int] = []
    first, second, plain = evaluation(3.0, kept), evaluation(30.0, kept), evaluation(30.0, None)
    assert shown == [2, 0, 2]
    assert (second.loss, second.terms) == (plain.loss, plain.terms)
    assert torch.equal(second.gradient, plain.gradient)
    assert second.terms["style relu1_1"] == pytest.approx(10 * first.terms["style relu1_1"])
