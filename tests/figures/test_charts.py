"""Loss curves: thinning keeps what can be seen, ticks are round and inside, both drawings hold every curve."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.figures.charts import Chart, Curve, drawable, picture, svg, thinned, ticks

_RANDOM = random.Random(0)
NOISY = [(float(n), math.exp(_RANDOM.gauss(0, 2))) for n in range(1, 5001)]


def test_thinning_keeps_the_ends_the_peaks_and_the_order() -> None:
    kept = thinned(NOISY, 100)
    assert 50 < len(kept) <= 100
    assert kept == sorted(kept)
    assert set(kept) <= set(NOISY)
    assert (kept[0], kept[-1]) == (NOISY[0], NOISY[-1])
    heights = [y for _, y in NOISY]
    assert {min(heights), max(heights)} <= {y for _, y in kept}


@given(st.integers(1, 700), st.integers(4, 300), st.integers(0, 9))
def test_thinning_never_gives_more_than_asked_for(length: int, count: int, seed: int) -> None:
    chance = random.Random(seed)
    points = [(float(n), chance.uniform(0.1, 9.0)) for n in range(1, length + 1)]
    kept = thinned(points, count)
    assert len(kept) <= count
    if length <= count:
        assert kept == points


@given(st.floats(1e-12, 1e12), st.floats(1.02, 1e9))
def test_ticks_are_inside_and_rise(low: float, ratio: float) -> None:
    found = ticks(low, low * ratio)
    assert len(found) >= 1
    assert found == sorted(set(found))
    assert low * 0.999 <= found[0]
    assert found[-1] <= low * ratio * 1.001
    assert len(found) <= 30


def test_ticks_are_powers_of_ten_where_there_is_room() -> None:
    assert ticks(0.5, 2e4) == pytest.approx([1, 10, 100, 1000, 10000])
    assert ticks(1, 90) == pytest.approx([1, 2, 5, 10, 20, 50])


def test_labels_are_short() -> None:
    chart = Chart([Curve("wide", [(1, 1e-6), (10**6, 1e12)])], "")
    said = [each.text for each in svg(chart).iter("text")]
    assert {"1e12", "1e-6", "1", "1000", "1e6"} <= set(said)
    assert max(len(each or "") for each in said[:-1]) <= 5


def test_what_has_no_place_on_the_axes_is_left_out() -> None:
    points = [
        (1, 0.0),
        (2, -1.0),
        (3, math.nan),
        (4, math.inf),
        (0, 1.0),
        (5, 2.0),
        (6, 10**400),
        (7, 5e-324),
    ]
    assert drawable(points) == [(5, 2.0)]
    assert Chart([Curve("nothing", points[:5])], "").is_empty
    with pytest.raises(ValueError, match="expected a point above zero"):
        svg(Chart([Curve("nothing", [])], ""))


def test_svg_has_a_line_for_each_curve_inside_its_box() -> None:
    chart = Chart(
        [
            Curve("a <b>", NOISY, "run-1"),
            Curve("one point", [(3.0, 2.0)], "run-2"),
            Curve("empty", []),
            Curve("flat", [(1.0, 5.0), (9.0, 5.0)]),
        ],
        "the title",
        marks=[(1, "32x24"), (70, "64x48"), (9999, "beyond")],
    )
    root = svg(chart, width=500, height=300)
    assert root[0].text == "the title"
    lines = [each for each in root.iter("path") if each.get("class", "").startswith("c")]
    assert [line.get("class") for line in lines] == ["c0 d0", "c1 d0", "c3 d0"]
    assert [line.get("data-run") for line in lines] == ["run-1", "run-2", None]
    assert lines[0][0].text == f"a <b>: {NOISY[-1][1]:.5g}"
    for line in lines:
        for place in line.get("d", "").removesuffix("h.1").lstrip("M").split("L"):
            x, y = map(float, place.split())
            assert 0 <= x <= 500
            assert 0 <= y <= 300
    said = [each.text for each in root.iter("text")]
    assert "64x48" in said
    assert "beyond" not in said


def test_a_curve_of_one_point_can_be_drawn_alone() -> None:
    chart = Chart([Curve("one", [(1.0, 3.0)])], "")
    assert "h.1" in next(
        each.get("d", "") for each in svg(chart).iter("path") if each.get("class") == "c0 d0"
    )
    assert picture(chart).size == (640, 300)


def test_the_picture_has_every_colour_and_falls_where_the_curve_falls() -> None:
    chart = Chart([Curve("falls", [(1, 100.0), (100, 1.0)]), Curve("stays", [(1, 1.0), (100, 1.0)])], "")
    sheet = picture(chart, width=600, height=300)
    blue = [
        (x, y)
        for x in range(80, 420)
        for y in range(300)
        if (pixel := sheet.getpixel((x, y))) and pixel[2] > 150 and pixel[0] < 90  # type: ignore[index,operator]
    ]
    assert min(blue)[1] < 60
    assert max(blue)[1] > 200
    orange = [y for y in range(300) if sheet.getpixel((200, y))[0] > 180 > sheet.getpixel((200, y))[2] + 90]  # type: ignore[index,operator]
    assert orange
    assert min(orange) > 200
