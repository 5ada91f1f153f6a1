"""Which number type is taken where, on processors with and without bfloat16: any machine tests both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import impasto
from impasto.assembly import bfloat16
from impasto.assembly import device as machine
from impasto.assembly.device import adapt_to_machine, choose_device, choose_precision
from impasto.errors import ParameterError
from impasto.inspection.judge import Judge
from impasto.measured import answering, forget
from impasto.processor import acting_as, processor
from impasto.recipes.presets import resolve
from impasto.runs.create import begin
from impasto.runs.readers import read_recipe, read_summary
from impasto.runs.resume import go_on
from tests.conftest import BFLOAT16

CPU = torch.device("cpu")
OPTIONS = {"size": 40, "steps": 4, "margin": 0, "device": "cpu"}

pytestmark = [pytest.mark.processor, pytest.mark.usefixtures("loaded_once")]


@contextmanager
def other(*, has: bool, speed: float = 2.0) -> Iterator[None]:
    """A processor that has bfloat16, of that speed, or has none."""
    times = {"float32": 10.0, "bfloat16": 10.0 / speed}
    with (
        acting_as(replace(processor(), name="Abacus", bfloat16=has)),
        answering({bfloat16.question(): times}),
    ):
        yield


@pytest.mark.parametrize(
    ("name", "exact", "has", "speed", "chosen"),
    [
        ("auto", False, True, 2.0, "bf16"),
        ("auto", False, True, 1.03, "fp32"),  # not worth the digits
        ("auto", False, True, 0.3, "fp32"),  # AVX-512 without AVX512-BF16
        ("auto", False, False, 2.0, "fp32"),
        ("auto", True, True, 2.0, "fp32"),
        ("bf16", True, True, 0.3, "bf16"),
        ("fp32", False, True, 2.0, "fp32"),
    ],
)
def test_what_is_taken(name: str, exact: bool, has: bool, speed: float, chosen: str) -> None:
    types = {"bf16": torch.bfloat16, "fp32": torch.float32}
    with other(has=has, speed=speed):
        assert choose_precision(name, CPU, exact=exact) == (types[chosen], chosen)


def test_what_is_asked_for_and_not_there_is_refused(pictures: tuple[Path, Path]) -> None:
    said = "precision: expected auto or fp32, since Abacus has no bfloat16, got 'bf16'"
    with other(has=False):
        with pytest.raises(ParameterError) as refused:
            impasto.stylize(*pictures, precision="bf16", **OPTIONS)
        assert str(refused.value) == said
        recipe = resolve(**OPTIONS)
        with pytest.raises(ParameterError, match="Abacus has no bfloat16"):
            impasto.stylize(*pictures, recipe=recipe, precision="bf16")
        with pytest.raises(ParameterError, match="Abacus has no bfloat16"):
            Judge(*pictures, recipe=recipe, precision="bf16")


def test_tf32_is_nvidias(pictures: tuple[Path, Path]) -> None:
    with other(has=True), pytest.raises(ParameterError, match="since Abacus has no TF32, got 'tf32'"):
        impasto.stylize(*pictures, precision="tf32", **OPTIONS)
    recipe, notes = adapt_to_machine(resolve(precision="tf32", device="cpu"), asked=())
    assert recipe.precision == "fp32"
    assert "TF32" in notes[0]


def test_a_recipe_from_elsewhere_is_painted_all_the_same(pictures: tuple[Path, Path]) -> None:
    elsewhere = resolve(**OPTIONS, precision="bf16")
    with other(has=False):
        result = impasto.stylize(*pictures, recipe=elsewhere)
        judge = Judge(*pictures, recipe=elsewhere)
        same = impasto.stylize(*pictures, precision="fp32", **OPTIONS)
    note = "precision: Abacus has no bfloat16; using float32 instead"
    assert result.precision == result.recipe.precision == judge.precision == "fp32"
    assert note in result.notes
    assert note in judge.notes
    assert torch.equal(result.image, same.image)


def test_what_this_machine_has_is_left_alone() -> None:
    with other(has=True):
        for precision in ("auto", "fp32", "bf16"):
            recipe = resolve(**OPTIONS, precision=precision)
            assert adapt_to_machine(recipe, asked=()) == (recipe, ())


def test_a_device_from_elsewhere() -> None:
    missing = next(name for name in ("mps", "cuda") if name not in machine._devices())
    recipe = resolve(**{**OPTIONS, "device": missing})
    here, notes = adapt_to_machine(recipe, asked=())
    assert here == resolve(**{**OPTIONS, "device": "auto"})
    assert notes == (f"device: this machine has no {missing}; using {choose_device('auto')} instead",)
    assert adapt_to_machine(recipe, asked={"device"}) == (recipe, ())
    with pytest.raises(ParameterError, match=f"device: expected one this machine has .*got '{missing}'"):
        choose_device(missing)


@BFLOAT16
def test_a_run_that_moved_is_gone_on_with(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    """Begun in bfloat16, stopped, and gone on with where there is none."""
    run = tmp_path / "run"
    with begin(run, *pictures, precision="bf16", **OPTIONS) as recording:
        for step in recording:
            if step.done == 2:
                break
        recording.write_checkpoint(step)
        recording.finish()
    with other(has=False):
        result = go_on(run)
    assert (result.steps, result.precision) == (4, "fp32")
    assert "precision: Abacus has no bfloat16; using float32 instead" in result.notes
    summary = read_summary(run)
    assert summary is not None
    assert (summary.status, summary.precision) == ("done", "fp32")
    assert read_recipe(run).precision == "bf16"  # as it was begun


@BFLOAT16
def test_the_real_measurement_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path))
    forget()
    speed = bfloat16.speed()
    assert speed is not None and 0.01 < speed < 100
    monkeypatch.setattr(bfloat16, "_measure", None)
    forget()
    assert bfloat16.speed() == speed
    forget()


def test_where_there_is_no_bfloat16_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bfloat16, "_measure", None)
    with acting_as(replace(processor(), bfloat16=False)):
        assert bfloat16.speed() is None
        assert choose_precision("auto", CPU, exact=False)[1] == "fp32"


@pytest.mark.parametrize(
    "kept", [None, 2.0, {}, {"float32": 1.0, "bfloat16": 0}, {"float32": "1", "bfloat16": 1}]
)
def test_what_are_no_times(kept: object) -> None:
    assert not bfloat16._are_timings(kept)
