"""Loss curves on logarithmic axes: as SVG for a page, and as a picture for a contact sheet.

No plotting library: a few hundred points and two axes do not justify the dependency.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from impasto.figures.contact_sheet import cut, to_ascii

POINTS = 240
"""The most points drawn of a curve; a chart on a screen does not resolve more."""

COLORS = 8
"""Number of curve colours; further curves repeat the colours with dashed lines."""

_INKS = ("#0b6fb8", "#c2410c", "#15803d", "#a21caf", "#8a6100", "#0f766e", "#be123c", "#5b4bc4")
_DASH_STYLES = 3  # of the page's style sheet: solid, dashed, dotted
_DASH = 12  # length of a dash where curves cover each other
_SAME = 0.004  # share of an axis: closer than this, two curves look like one
_LETTER, _LABEL_LINE = 10.0, 18  # width of a letter and height of a line of an SVG label
_PAPER, _INK, _GRID = "#ffffff", "#1e1e1e", "#dddddd"

_Range = tuple[float, float]
_Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """A curve.

    Attributes:
        name: in the legend.
        points: (x, y) from left to right; points that are not finite and positive are not drawn.
        key: identifier on a page.
    """

    name: str
    points: Sequence[tuple[float, float]]
    key: str = ""


@dataclass(frozen=True)
class Chart:
    """Curves over the same axes.

    Attributes:
        curves: drawing needs at least one drawable point: see :attr:`is_empty`.
        title: text alternative for screen readers.
        across: label of the horizontal axis.
        marks: (x, label) of vertical marks.
    """

    curves: Sequence[Curve]
    title: str
    across: str = "iterations"
    marks: Sequence[tuple[float, str]] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(drawable(curve.points) for curve in self.curves)

    @cached_property
    def twins(self) -> dict[int, int]:
        """Index of a curve -> index of the first earlier curve that it covers all along, as far as it goes."""
        (_, _), (low, high) = self.ranges()
        near = _SAME * math.log(high / low)
        found: dict[int, int] = {}
        heights = [{x: math.log(y) for x, y in drawable(curve.points)} for curve in self.curves]
        for later, mine in enumerate(heights):
            for earlier, theirs in enumerate(heights[:later]):
                one, other = sorted((mine, theirs), key=len)
                if one and all(x in other and abs(y - other[x]) < near for x, y in one.items()):
                    found[later] = found.get(earlier, earlier)
                    break
        return found

    def dashes(self, number: int) -> tuple[int, int, int] | None:
        """(dash, gap, offset) of a curve that covers another, so that both colours alternate; None of the others."""
        if number not in self.twins:
            return None
        group = [later for later, first in self.twins.items() if first == self.twins[number]]
        return _DASH, _DASH * len(group), -_DASH * group.index(number)

    def ranges(self) -> tuple[_Range, _Range]:
        """The ranges of the axes: (left, right), (bottom, top).

        Raises:
            ValueError: there is nothing to draw.
        """
        every = [point for curve in self.curves for point in drawable(curve.points)]
        if not every:
            raise ValueError("chart: expected a point above zero, got none")
        return _span([x for x, _ in every], 1.0), _span([y for _, y in every], 1.08)


def drawable(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that can be drawn on logarithmic axes."""
    # Well within the range of a float, since the axes extend a little beyond the points.
    return [(x, y) for x, y in points if 1e-300 < x < 1e300 and 1e-300 < y < 1e300]


def thinned(points: Sequence[tuple[float, float]], count: int = POINTS) -> list[tuple[float, float]]:
    """At most ``count`` points that look the same: the minimum and the maximum of each of equally wide intervals.

    The first point, the last point, and the global minimum and maximum are always among them.

    Args:
        points: from left to right, positive.
        count: 4 or more.
    """
    if len(points) <= count:
        return list(points)
    stretches = count // 2 - 1
    left, right = math.log(points[0][0]), math.log(points[-1][0])
    kept: set[int] = {0, len(points) - 1}
    members: dict[int, list[int]] = {}
    for index, (x, _) in enumerate(points):
        share = (math.log(x) - left) / (right - left) if right > left else 0.0
        members.setdefault(min(stretches - 1, int(share * stretches)), []).append(index)
    for indices in members.values():
        kept |= {min(indices, key=lambda at: points[at][1]), max(indices, key=lambda at: points[at][1])}
    return [points[index] for index in sorted(kept)]


def ticks(low: float, high: float) -> list[float]:
    """Round numbers between ``low`` and ``high``: powers of ten; where these are few, also their multiples."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    stride = max(1, (last - first) // 6)
    tens = [exponent for exponent in range(first, last + 1) if exponent % stride == 0]
    for parts in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)):
        found = [part * 10.0**exponent for exponent in tens for part in parts]
        found = [each for each in found if low * 0.9999 <= each <= high * 1.0001]
        if len(found) >= 3:
            return found
    return found or [low, high]


def _span(values: Sequence[float], room: float) -> _Range:
    low, high = min(values), max(values)
    if high / low < 1.02:
        room = max(room, 1.05)
    return low / room, high * room


def _label(value: float) -> str:
    return (
        f"{value:g}"
        if 1e-3 <= value < 1e5
        else f"{value:.3g}".replace("e+", "e").replace("e0", "e").replace("e-0", "e-")
    )


@dataclass(frozen=True)
class _Plane:
    """The map from the axes' ranges to coordinates of a drawing."""

    across: _Range
    up: _Range
    left: float
    right: float
    top: float
    bottom: float

    def x(self, value: float) -> float:
        low, high = map(math.log, self.across)
        share = (math.log(value) - low) / (high - low) if high > low else 0.0
        return self.left + share * (self.right - self.left)

    def y(self, value: float) -> float:
        low, high = map(math.log, self.up)
        return self.bottom - (math.log(value) - low) / (high - low) * (self.bottom - self.top)


# --- for a page -------------------------------------------------------------------------------------------------


def svg(chart: Chart, *, width: int = 520, height: int = 280) -> ET.Element:
    """The chart as an SVG element. The page's CSS sets the colours: classes ``c0`` … ``c7``, ``d0`` … ``d2``.

    Raises:
        ValueError: there is nothing to draw.
    """
    across, up = chart.ranges()
    left, right = 66.0, width - 12.0
    marks = _placed(chart.marks, _Plane(across, up, left, right, 0.0, 0.0))
    band = _LABEL_LINE * (1 + max((row for *_, row in marks), default=-1))
    height += band  # of the labels, above the curves
    plane = _Plane(across, up, left=left, right=right, top=12.0 + band, bottom=height - 40)
    root = ET.Element("svg", {"viewBox": f"0 0 {width} {height}", "role": "img", "class": "chart"})
    ET.SubElement(root, "title").text = chart.title
    for value in ticks(*plane.up):
        _line(root, "grid", plane.left, plane.y(value), plane.right, plane.y(value))
        _text(root, _label(value), plane.left - 6, plane.y(value) + 4, "end")
    for value in ticks(*plane.across):
        _line(root, "grid", plane.x(value), plane.top, plane.x(value), plane.bottom)
        _text(root, _label(value), plane.x(value), plane.bottom + 17, "middle")
    _text(root, chart.across, (plane.left + plane.right) / 2, height - 6, "middle")
    for label, x, start, row in marks:
        y = 14 + _LABEL_LINE * row
        _line(root, "mark", x, y - 8, x, plane.bottom)
        _text(root, label, start, y, "start")
    for number, curve in enumerate(chart.curves):
        points = thinned(drawable(curve.points))
        if not points:
            continue
        places = [f"{plane.x(x):.1f} {plane.y(y):.1f}" for x, y in points]
        path = "M" + "L".join(places) + ("h.1" if len(places) == 1 else "")  # a lone point is a dot
        attributes = {"d": path, "class": style_of(number)}
        if (dashes := chart.dashes(number)) is not None:
            dash, gap, offset = dashes
            attributes |= {
                "class": f"{_color(number)} twin",
                "stroke-dasharray": f"{dash} {gap}",
                "stroke-dashoffset": f"{offset}",
            }
        if curve.key:
            attributes["data-run"] = curve.key
        line = ET.SubElement(root, "path", attributes)
        ET.SubElement(line, "title").text = f"{curve.name}: {points[-1][1]:.5g}"
    return root


def style_of(number: int) -> str:
    """The CSS classes of the ``number``-th curve and of its labels."""
    return f"{_color(number)} d{number // COLORS % _DASH_STYLES}"


def _color(number: int) -> str:
    return f"c{number % COLORS}"


def _placed(marks: Sequence[tuple[float, str]], plane: _Plane) -> list[tuple[str, float, float, int]]:
    """(label, x of the mark, left end of the label, row) of each visible mark; labels of a row do not overlap."""
    ends: list[float] = []  # right end of the last label of each row
    placed = []
    for value, label in sorted(marks):
        if not plane.across[0] <= value <= plane.across[1]:
            continue
        x, room = plane.x(value), _LETTER * len(label)
        start = min(x + 4, plane.right - room)
        # The mark's line goes down from its label, so that it must pass the labels of the rows below too.
        row = next((row for row in range(len(ends)) if max(ends[row:]) < min(x, start)), len(ends))
        ends[row : row + 1] = [start + room]
        placed.append((label, x, start, row))
    return placed


def _line(root: ET.Element, kind: str, x1: float, y1: float, x2: float, y2: float) -> None:
    path = f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"
    ET.SubElement(root, "path", {"class": kind, "d": path})


def _text(root: ET.Element, text: str, x: float, y: float, anchor: str) -> None:
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}
    ET.SubElement(root, "text", place).text = text


# --- as a picture -----------------------------------------------------------------------------------------------


def picture(chart: Chart, *, width: int = 640, height: int = 300, text: int = 15) -> PIL.Image.Image:
    """The chart as a picture, on white, with a legend on the right.

    Raises:
        ValueError: there is nothing to draw.
    """
    scale = 3  # supersampling, since Pillow's lines are not anti-aliased
    sheet = PIL.Image.new("RGB", (width * scale, height * scale), _PAPER)
    draw = PIL.ImageDraw.Draw(sheet)
    font = PIL.ImageFont.load_default(text * scale)
    names = [to_ascii(curve.name) for curve in chart.curves]
    for later, first in chart.twins.items():
        names[later] += f" (same as {to_ascii(chart.curves[first].name)})"
    names = [cut(name, width * scale * 2 // 5, text=text * scale) for name in names]
    legend = max(font.getlength(name) for name in names) + (30 + 8) * scale
    plane = _Plane(
        *chart.ranges(),
        left=4.5 * text * scale,
        right=width * scale - legend - 12 * scale,
        top=0.6 * text * scale,
        bottom=(height - 2.9 * text) * scale,
    )
    for value in ticks(*plane.up):
        draw.line((plane.left, plane.y(value), plane.right, plane.y(value)), _GRID, scale)
        draw.text((plane.left - 6 * scale, plane.y(value)), _label(value), _INK, font=font, anchor="rm")
    for value in ticks(*plane.across):
        draw.line((plane.x(value), plane.top, plane.x(value), plane.bottom), _GRID, scale)
        place = (plane.x(value), plane.bottom + 4 * scale)
        draw.text(place, _label(value), _INK, font=font, anchor="ma")
    place = ((plane.left + plane.right) / 2, (height - 0.4 * text) * scale)
    draw.text(place, to_ascii(chart.across), _INK, font=font, anchor="ms")
    for number, (curve, name) in enumerate(zip(chart.curves, names, strict=True)):
        points = thinned(drawable(curve.points))
        ink = _INKS[number % COLORS]
        line = [(plane.x(x), plane.y(y)) for x, y in points]
        dashes = chart.dashes(number)
        if len(line) > 1:
            for piece in [line] if dashes is None else _pieces(line, *(scale * each for each in dashes)):
                draw.line(piece, ink, 2 * scale, joint="curve")
        elif line:
            draw.circle(line[0], 2 * scale, ink)
        x, y = plane.right + 12 * scale, plane.top + (0.7 + 1.4 * number) * text * scale
        for start, end in ((0, 22),) if dashes is None else ((0, 8), (14, 22)):
            draw.line((x + start * scale, y, x + end * scale, y), ink, 3 * scale)
        draw.text((x + 30 * scale, y), name, _INK, font=font, anchor="lm")
    return sheet.resize((width, height), PIL.Image.Resampling.LANCZOS)


def _pieces(line: Sequence[_Point], dash: float, gap: float, offset: float) -> list[list[_Point]]:
    """The dashes of a line, as SVG's ``stroke-dasharray`` and ``stroke-dashoffset`` cut it."""
    pieces: list[list[_Point]] = [[]]
    walked = offset
    for (x1, y1), (x2, y2) in pairwise(line):
        length = math.hypot(x2 - x1, y2 - y1)
        stops = max(1, math.ceil(length))
        for stop in range(stops):
            share = stop / stops
            if (walked + share * length) % (dash + gap) < dash:
                pieces[-1].append((x1 + share * (x2 - x1), y1 + share * (y2 - y1)))
            elif pieces[-1]:
                pieces.append([])
        walked += length
    return [piece for piece in pieces if len(piece) > 1]
