"""The time left follows the levels' own speeds, and a plan what pictures have taken before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import impasto
from impasto.engine.pyramid import Level
from impasto.engine.step import Progress
from impasto.recipes.presets import resolve
from impasto.transfer import pace
from impasto.transfer.forecast import Forecast
from impasto.transfer.pace import Pace, corrected, learn

LEVELS = [Level((75, 100), ((64, 64),), 20), Level((150, 200), ((128, 128),), 20)]
EXPECTED = Forecast(2.0, (0.5, 1.0), (0.1, 0.4), (0.1, 0.4), 0.5)
CPU, FLOAT = torch.device("cpu"), torch.float32


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "cache"))


def _step(level: int, iteration: int) -> Progress:
    done = iteration + sum(each.iterations for each in LEVELS[:level])
    return Progress(level, 2, iteration, LEVELS[level].iterations, done, 40, 1.0, {}, ())


def _painted(factor: float, iterations: tuple[int, int] = (20, 20)) -> Pace:
    """A painting that takes so many times as long as was expected."""
    found = Pace(LEVELS, EXPECTED)
    for level, count in enumerate(iterations):
        one = factor * EXPECTED.by_arithmetic[level]
        for iteration in range(1, count + 1):
            found.add(level, iteration, one + (iteration == 1) * factor * EXPECTED.preparing[level])
    return found


@pytest.mark.parametrize("factor", [1.0, 0.3, 4.0])
@pytest.mark.parametrize(("level", "iteration"), [(0, 2), (0, 20), (1, 1), (1, 10), (1, 20)])
def test_the_time_left_is_what_is_left(factor: float, level: int, iteration: int) -> None:
    found = _painted(factor, (20, iteration) if level else (iteration, 0))
    here = (LEVELS[level].iterations - iteration) * EXPECTED.iteration[level]
    later = 0.0 if level else EXPECTED.preparing[1] + 20 * EXPECTED.iteration[1]
    left = found.left(_step(level, iteration))
    assert left == pytest.approx(factor * (here + later + EXPECTED.end))


def test_nobody_knows_before_an_iteration_was_measured() -> None:
    found = Pace(LEVELS, EXPECTED)
    found.add(0, 1, 3.0)  # which prepared the level too
    assert found.left(_step(0, 1)) is None


def test_without_a_forecast_iterations_cost_as_their_pixels_do() -> None:
    found = Pace(LEVELS, None)
    for iteration in range(1, 5):
        found.add(0, iteration, 0.1)
    assert found.left(_step(0, 4)) == pytest.approx(16 * 0.1 + 20 * 0.4)


def test_one_slow_iteration_does_not_count() -> None:
    found = _painted(1.0, (10, 0))
    before = found.left(_step(0, 10))
    found.add(0, 11, 60.0)
    assert found.left(_step(0, 10)) == before


def test_the_same_again_takes_as_long_as_it_took() -> None:
    recipe = resolve(size=200)
    learn(_painted(2.5), EXPECTED, recipe, LEVELS, start=5.0, end=0.9, device=CPU, dtype=FLOAT)
    again = corrected(EXPECTED, recipe, LEVELS, device=CPU, dtype=FLOAT)
    assert again.start == 5.0
    assert again.end == 0.9
    assert again.iteration == pytest.approx((0.25, 1.0))
    assert again.preparing == pytest.approx((1.25, 2.5))
    # Other settings at about the same size are corrected by the same ratio; another precision by none.
    other = corrected(EXPECTED, resolve(pooling="average"), LEVELS, device=CPU, dtype=FLOAT)
    assert other.iteration == pytest.approx((0.25, 1.0))
    apart = corrected(EXPECTED, recipe, LEVELS, device=CPU, dtype=torch.bfloat16)
    assert apart == EXPECTED


def test_what_is_newer_counts_more() -> None:
    recipe = resolve(size=200)
    for factor in (1.0, 3.0):
        learn(_painted(factor), EXPECTED, recipe, LEVELS, start=None, end=1.0, device=CPU, dtype=FLOAT)
    found = corrected(EXPECTED, recipe, LEVELS, device=CPU, dtype=FLOAT)
    assert 2.0 < found.iteration[0] / EXPECTED.iteration[0] < 3.0


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"start vgg19 cpu torch.float32": "soon"}', '{"a": -1}'])
def test_a_damaged_store_is_none(text: str) -> None:
    path = pace._path()
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert corrected(EXPECTED, resolve(), LEVELS, device=CPU, dtype=FLOAT) == EXPECTED


def test_a_picture_is_learned_from(pictures: tuple[Path, Path], loaded_once: None) -> None:
    options = {"size": 64, "smallest": 32, "steps": 16, "device": "cpu", "precision": "fp32"}
    first = impasto.plan(*pictures, **options)  # type: ignore[arg-type]
    assert first is not None
    left = [step.seconds_left for step in impasto.iterate(*pictures, **options)]  # type: ignore[arg-type]
    assert left[0] is None and all(each is not None for each in left[1:])
    assert not pace._path().exists()  # it was not judged
    impasto.stylize(*pictures, **options)  # type: ignore[arg-type]
    second = impasto.plan(*pictures, **options)  # type: ignore[arg-type]
    assert second is not None
    assert second.forecast.by_arithmetic == first.forecast.by_arithmetic
    assert replace(second.forecast, start=0.0) != replace(first.forecast, start=0.0)
