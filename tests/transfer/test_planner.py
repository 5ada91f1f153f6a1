"""The planner's promises: what it picks fits, what does not fit is refused with what would."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from impasto.assembly.schedule import build_levels
from impasto.encoders.vgg import POOLINGS, VGG, Pooling
from impasto.encoders.vgg_cost import MARGINS, VGGCost
from impasto.encoders.weights import Convolutions
from impasto.engine.pyramid import Level
from impasto.engine.tiling.tiles import cut
from impasto.errors import ParameterError
from impasto.geometry import Size
from impasto.recipes.parsing import parse_memory
from impasto.recipes.presets import resolve
from impasto.recipes.recipe import Recipe
from impasto.transfer.peak_memory import peak
from impasto.transfer.planner import Plan, make_plan
from tests.engine.tiling.test_gradient import thin

__all__ = ["thin"]

CPU = torch.device("cpu")
CONTENT, STYLE = (3464, 5176), (768, 970)


pytestmark = pytest.mark.usefixtures("same_kernels")


def _levels(recipe: Recipe, content: Size = CONTENT, style: Size = STYLE) -> list[Level]:
    return build_levels(recipe, content, [style], min_side=16)


def _cost(recipe: Recipe) -> VGGCost:
    return VGGCost(recipe.encoder, recipe.pooling, recipe.padding)


def _plan(memory: int | None, **given: object) -> Plan:
    recipe = resolve(**given)
    return make_plan(
        recipe,
        _cost(recipe),
        content=CONTENT,
        styles=[STYLE],
        levels=_levels(recipe),
        device=CPU,
        dtype=torch.bfloat16,
        memory=memory,
    )


def _peak(recipe: Recipe, itemsize: int = 2) -> float:
    levels = _levels(recipe)
    return peak(
        recipe,
        _cost(recipe),
        content=CONTENT,
        styles=[STYLE],
        levels=levels,
        device=CPU,
        itemsize=itemsize,
    )


@pytest.mark.parametrize("pooling", POOLINGS)
def test_margins_are_those_of_the_tiles(thin: Convolutions, pooling: Pooling) -> None:
    stream = VGG(thin, pooling=pooling).stream(["relu5_1"])
    inner = cut((3072, 3072), 1024, reach=stream.reach, stride=stream.deepest_stride)[4]
    assert inner.core.top - inner.outer.top == inner.outer.right - inner.core.right == MARGINS[pooling]


def test_a_margin_is_planned_for() -> None:
    none, some, seamless = (
        _plan(10**12, size=2048, **given)
        for given in ({"margin": 0}, {"margin": 64}, {"margin": 64, "seamless": True})
    )
    assert some.memory > 1.02 * none.memory
    assert some.seconds > 1.1 * none.seconds
    assert some.levels == none.levels
    assert seamless.seconds == _plan(10**12, size=2048, margin=0, seamless=True).seconds


def test_what_takes_longer_is_planned_for() -> None:
    plain, blurred, mirrored = (
        _plan(10**12, size=2048, **given).seconds
        for given in ({}, {"pooling": "max-blur"}, {"padding": "reflect"})
    )
    assert plain < mirrored < blurred < 1.3 * plain


def test_with_enough_memory_nothing_is_changed() -> None:
    plan = _plan(200_000_000_000, size=5176)
    assert plan.recipe == resolve(size=5176)
    assert plan.notes == ()
    assert plan.limit == 200_000_000_000
    assert [level.size for level in plan.levels] == [level.size for level in _levels(plan.recipe)]
    assert plan.seconds > 0


@pytest.mark.parametrize("size", [512, 2048, 5176, 8192])
def test_less_memory_takes_smaller_tiles_and_then_less_history(size: int) -> None:
    given = {"size": size, "optimizer": "lbfgs-wolfe", "history_memory": 0}
    before = _plan(10**13, **given)
    limit, changed = before.memory, set()
    while True:
        try:
            plan = _plan(limit, **given)
        except ParameterError:
            break
        assert plan.memory <= limit
        changed |= {note.split(":")[0] for note in plan.notes}
        limit = plan.memory - 1
    assert limit < before.memory - 1
    assert changed == {"tile", "history memory"}


def test_what_a_seamless_picture_is_shown_beyond_its_sides_takes_time() -> None:
    plain, seamless = (_plan(10**11, size=512, seamless=each).seconds for each in (False, True))
    assert 1.3 < seamless / plain < 2.6


@pytest.mark.parametrize("memory", [1_000_000_000, 2_000_000_000, 3_000_000_000])
def test_a_refusal_names_a_size_that_fits(memory: int) -> None:
    with pytest.raises(ParameterError) as refused:
        _plan(memory, size=20_000)
    found = re.fullmatch(
        r"size: 20000x13385 needs [\d.]+ GB of memory, the limit is [\d.]+ GB \(--memory\); "
        r"a long side of (\d+) would fit",
        str(refused.value),
    )
    assert found is not None
    fits = int(found[1])
    assert _plan(memory, size=fits).memory <= memory
    with pytest.raises(ParameterError):
        _plan(memory, size=round(fits * 1.1))


def test_where_not_even_the_network_fits_no_size_does() -> None:
    with pytest.raises(ParameterError, match=r"needs .+ of memory, the limit is 100 MB.*no size would fit"):
        _plan(100_000_000, size=512)


def test_larger_pictures_take_more() -> None:
    peaks = [_peak(resolve(size=size)) for size in (256, 384, 512, 768, 1024, 2048, 4096, 8192)]
    assert peaks == sorted(peaks)
    assert all(_peak(resolve(size=size), 4) > _peak(resolve(size=size), 2) for size in (256, 1024, 4096))


def test_what_takes_memory_counts() -> None:
    plain = _peak(resolve(size=4096))
    assert _peak(resolve(size=4096, tile=512)) < plain
    assert _peak(resolve(size=4096, tile=0)) > plain
    assert _peak(resolve(size=4096, history_memory=0)) > plain
    assert _peak(resolve(size=4096, style_scale=2.0)) > plain


def test_longer_runs_take_longer() -> None:
    seconds = {steps: _plan(None, size=1024, steps=steps).seconds for steps in (20, 2000)}
    assert seconds[2000] > 10 * seconds[20]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GB", 4_000_000_000),
        ("800 MB", 800_000_000),
        ("1.5g", 1_500_000_000),
        ("2GiB", 2 << 30),
        ("123", 123),
        (123, 123),
        (" 1TB ", 10**12),
        ("64kib", 65536),
    ],
)
def test_sizes_as_people_write_them(text: str | int, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "much", "GB", "-1GB", "0", "4 GBit", "4,5GB", "1e9", "infMB", "4GB 2"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(
        ParameterError, match=re.escape(f"memory: expected a size such as 4GB or 800MB, got {text!r}")
    ):
        parse_memory(text)


@pytest.mark.parametrize("given", [{"photo_weight": 1.0}, {"photo_finish": 3}])
def test_photorealism_takes_memory(given: dict[str, float]) -> None:
    picture = 12 * 5176 * 3464
    plain, photo = _peak(resolve(size=5176)), _peak(resolve(size=5176, **given))
    assert plain + picture * ("photo_weight" in given) <= photo < plain + 1.2 * picture
    small = {"size": 64, "steps": 10}
    assert _plan(10**12, **small, **given).memory > _plan(10**12, **small).memory


_PLANNED_AND_MEASURED = """
import json, sys, impasto
from pathlib import Path
from impasto.swatches import paint
options = json.loads(sys.argv[1])
pictures = paint("mosaic", size=400), paint("strokes", size=400)
planned = impasto.plan(*pictures, **options).memory
impasto.stylize(*pictures, **options)
# getrusage() would begin with the peak of the process that started this one.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps([planned, int(status["VmHWM"].split()[0]) * 1024]))
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="this system says a process's peak elsewhere"
)
@pytest.mark.parametrize(
    "options",
    [{"size": 256}, pytest.param({"size": 384, "tile": 128}, marks=pytest.mark.exhaustive)],
    ids=str,
)
def test_a_plan_is_near_what_is_measured(options: dict[str, Any]) -> None:
    given = json.dumps({"steps": 5, "precision": "fp32", "device": "cpu", **options})
    command = [sys.executable, "-c", _PLANNED_AND_MEASURED, given]
    planned, measured = json.loads(subprocess.check_output(command, text=True))
    assert 0.85 * measured < planned < 1.5 * measured
