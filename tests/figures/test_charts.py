"""Loss curves: thinning keeps what can be seen, ticks are round and inside, both drawings hold every curve."""

from __future__ import annotations

import itertools
import math
import random
import re
import xml.etree.ElementTree as ET

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


def test_labels_of_near_levels_stand_in_rows() -> None:
    marks = [(1, "150x150"), (9, "300x300"), (10, "600x600"), (11, "1200x1200"), (90, "2400x2400")]
    chart = Chart([Curve("total", [(float(n), 1.0 + n) for n in range(1, 101)])], "", marks=marks)
    names = {label for _, label in marks}
    root = svg(chart, width=500, height=300)
    labels = [each for each in root.iter("text") if each.text in names]
    boxes = [
        (float(each.get("x", "")), float(each.get("y", "")), 10 * len(each.text or "")) for each in labels
    ]
    assert len(boxes) == 5
    for (x, y, width), (other, below, _) in itertools.pairwise(sorted(boxes, key=lambda box: box[1::-1])):
        assert y != below or x + width <= other
    assert all(x + width <= 500 for x, _, width in boxes)
    # No label covers a curve: all are above the axes.
    top = min(float(y) for y in re.findall(r"M[\d.]+ ([\d.]+)L", drawn(root, "grid")[-1]))
    assert max(y for _, y, _ in boxes) < top
    assert root.get("viewBox", "").split()[3] > "300"


def drawn(root: ET.Element, kind: str) -> list[str]:
    """The paths of a class."""
    return [each.get("d", "") for each in root.iter("path") if kind in each.get("class", "").split()]


FALLING = [(float(n), 100.0 / n) for n in range(1, 41)]


def test_curves_that_cover_each_other_alternate() -> None:
    curves = [
        Curve("first", FALLING),
        Curve("other", [(x, 3 * y) for x, y in FALLING]),
        Curve("same", [(x, y * 1.0001) for x, y in FALLING]),
        Curve("shorter", FALLING[:20]),
        Curve("empty", []),
    ]
    chart = Chart(curves, "")
    assert chart.twins == {2: 0, 3: 0}
    assert chart.dashes(0) is None
    (dash, gap, offset), (also, _, other) = (chart.dashes(at) or (0, 0, 0) for at in (2, 3))
    assert dash == also
    assert other - offset == -dash  # side by side, and room for the curve below
    assert gap == 2 * dash
    dashed = [each for each in svg(chart).iter("path") if each.get("stroke-dasharray")]
    assert [each.get("class") for each in dashed] == ["c2 twin", "c3 twin"]


def test_the_picture_shows_both_of_two_equal_curves() -> None:
    sheet = picture(Chart([Curve("one", FALLING), Curve("two", FALLING)], ""), width=700)
    plot = sheet.crop((80, 0, 420, 250)).get_flattened_data()
    blue = sum(b > 150 and r < 90 for r, _, b in plot)  # type: ignore[misc]
    orange = sum(r > 150 and b < 90 for r, _, b in plot)  # type: ignore[misc]
    assert blue > 50
    assert orange > 50
