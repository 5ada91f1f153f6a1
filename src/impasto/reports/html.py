"""Runs side by side on one page: an HTML file that needs nothing but itself.

Its pictures, curves, style and script are inside it, and a policy in its head forbids all that is not: it opens from
a disk, years later, without a network. All text is put in through :mod:`xml.etree`, which escapes it; a file's name
cannot become markup. Without JavaScript the table, the pictures and the curves are there all the same.
"""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.resources
import io
import math
import string
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import PIL.Image

from impasto.errors import OutputError, ParameterError
from impasto.figures.charts import Chart, style_of, svg
from impasto.figures.contact_sheet import thumbnail
from impasto.files import replacing
from impasto.recipes.fields import Input
from impasto.recipes.recipe import Recipe
from impasto.reports.run_view import RunView, picture_or_note, read_all, setting, varying

BUDGET = 10_500_000
"""Bytes that all pictures of a page may have; as text they are a third more."""

_SIDES = {"result": 1280, "content": 1280, "style": 400, "palette": 400, "step": 640}
# Shares of the budget, to each other.
_SHARES = {"result": 1.0, "content": 1.0, "style": 0.2, "palette": 0.2, "step": 0.15}
_STEPS = 240  # on a page, at most
_STEPS_OF_A_RUN = 16
_FACTS = 6  # settings that differ, under a picture; the others are told with the rest about it
_LONG = 30  # letters, of what a table may cut off

Progress = Callable[[int, int], object]


def write(path: Path, runs: Sequence[Path], *, title: str = "Runs", progress: Progress | None = None) -> None:
    """Write a report of runs: a table, pictures, curves and recipes, as one HTML file.

    All pictures together take at most 14 MB of it, and a run some 30 kB besides.

    Runs that are unfinished, failed, damaged or not there appear with what is known of them.

    Args:
        path: of the page.
        runs: their folders (:func:`impasto.reports.run_view.expand` finds those that a folder holds).
        title: of the page.
        progress: called with (runs done, runs in all).

    Raises:
        ParameterError: there are no runs.
        OutputError: the page cannot be written.
    """
    if not runs:
        raise ParameterError("report: expected at least one run, got none")
    page = _page(read_all(runs), title, progress or (lambda done, total: None))
    try:
        with replacing(path) as file:
            file.write(page.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror or error}") from None


def _page(run_views: Sequence[RunView], title: str, progress: Progress) -> str:
    folder = importlib.resources.files("impasto.reports")
    template, style, script = (
        (folder / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")
    )
    policy = {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": _hashed(style),
        "script-src": _hashed(script),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return string.Template(template).substitute(
        policy=html.escape("; ".join(f"{what} {allowed}" for what, allowed in policy.items())),
        title=html.escape(title),
        style=style,
        script=script,
        body="\n".join(
            ET.tostring(each, encoding="unicode", method="html") for each in _body(run_views, title, progress)
        ),
    )


def _hashed(text: str) -> str:
    """What lets a browser run this script, or apply this style, and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _element(tag: str, *children: ET.Element | str | None, **attributes: Any) -> ET.Element:
    """``_element("td", "x", class_="number", data_value=1)``; an attribute of None is left out."""
    names = {name: name.rstrip("_").replace("_", "-") for name in attributes}
    given = {names[name]: str(value) for name, value in attributes.items() if value is not None}
    element = ET.Element(tag, given)
    for child in children:
        if isinstance(child, ET.Element):
            element.append(child)
        elif child is not None and len(element):
            element[-1].tail = (element[-1].tail or "") + child
        elif child is not None:
            element.text = (element.text or "") + child
    return element


# --- pictures ---------------------------------------------------------------------------------------------------


@dataclass
class _Album:
    """The pictures of a page, each within its share of the budget, and the inputs that runs share only once."""

    unit: float  # bytes of a picture whose share is 1
    side: int  # of the largest result: a content need not be larger
    inputs: dict[tuple[str, str], ET.Element] = field(default_factory=dict)

    @classmethod
    def of(cls, run_views: Sequence[RunView]) -> _Album:
        inputs = {key for each in run_views for key in _inputs(each)}
        shares = [_SHARES[kind] for kind, _ in inputs]
        shares += [_SHARES["result"] for each in run_views if each.result]
        shares += [_SHARES["step"] for each in run_views for _ in _chosen(each, len(run_views))]
        largest = max((max(each.summary.size) for each in run_views if each.summary), default=0)
        return cls(BUDGET / max(1.0, sum(shares)), largest or _SIDES["content"])

    def show(self, source: Path | None, kind: str, **attributes: Any) -> ET.Element:
        """An ``img``, or, where the picture cannot be read, a ``div`` that says why."""
        found = picture_or_note(source)
        if isinstance(found, str):
            return _element("div", found, class_="empty")
        side = min(_SIDES[kind], self.side) if kind == "content" else _SIDES[kind]
        return _image(found, side=side, limit=self.unit * _SHARES[kind], **attributes)

    def content_of(self, run_view: RunView) -> str | None:
        """The id of the ``img`` of a run's content, where there is one."""
        for key in _inputs(run_view):
            if key[0] == "content" and self.inputs[key][0].tag == "img":
                return self.inputs[key][0].get("id")
        return None

    def take_in(self, run_view: RunView) -> None:
        """The pictures that went into a run."""
        for (kind, key), source in _inputs(run_view).items():
            if (kind, key) in self.inputs:
                continue
            name = Path(source.path).name
            title = f"{kind}: {name}" if kind == "content" else None
            shown = self.show(
                Path(source.path),
                kind,
                alt=f"{kind}: {name}",
                id=f"input-{len(self.inputs) + 1}",
                data_title=title,
            )
            self.inputs[kind, key] = _element(
                "figure", shown, _element("figcaption", f"{kind}: {name}", title=source.path)
            )


def _inputs(run_view: RunView) -> Mapping[tuple[str, str], Input]:
    """(kind, what tells it from others) -> the picture."""
    inputs = run_view.recipe.inputs if run_view.recipe else ()
    return {(kind, each.sha256 or each.path): each for kind, each in inputs}


def _chosen(run_view: RunView, runs: int) -> dict[int, Path]:
    """The steps to show: all of them or, where they are many, some from first to last."""
    count = max(2, min(_STEPS_OF_A_RUN, _STEPS // runs))
    steps = [pair for pair in run_view.steps.items() if pair[1] != run_view.result]
    if len(steps) > count:
        steps = [steps[round(at * (len(steps) - 1) / (count - 1))] for at in range(count)]
    return dict(steps)


def _image(picture: PIL.Image.Image, *, side: int, limit: float, **attributes: Any) -> ET.Element:
    """The picture as WebP inside an ``img``, made smaller until it has no more than ``limit`` bytes."""
    while True:
        small = thumbnail(picture, side)
        buffer = io.BytesIO()
        small.save(buffer, "WEBP", quality=86, method=3)
        size = buffer.tell()
        if size <= limit or side <= 32:
            break
        side = max(32, int(min(side, max(small.size)) * max(0.5, 0.95 * math.sqrt(limit / size))))
    uri = f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return _element("img", src=uri, width=small.width, height=small.height, decoding="async", **attributes)


# --- the page ---------------------------------------------------------------------------------------------------


def _body(run_views: Sequence[RunView], title: str, progress: Progress) -> list[ET.Element]:
    album = _Album.of(run_views)
    names = varying(run_views)
    cards = []
    for number, run_view in enumerate(run_views, start=1):
        album.take_in(run_view)
        cards.append(_card(number, run_view, names, album, len(run_views)))
        progress(number, len(run_views))
    counts = {each.status: 0 for each in run_views}
    for each in run_views:
        counts[each.status] += 1
    said = ", ".join(f"{count} {status}" for status, count in counts.items())
    main = _element(
        "main",
        _element("h2", "Runs", id="runs"),
        _tools(),
        _table(run_views, names),
        _element("div", _two() if len(run_views) > 1 else None, _losses(run_views), class_="pair"),
        _element("h2", "Pictures"),
        _element("div", *cards, class_="grid"),
    )
    if album.inputs:
        main.append(_element("h2", "What went in"))
        main.append(_element("div", *album.inputs.values(), class_="inputs"))
    return [
        _element("a", "To the runs", href="#runs", class_="skip"),
        _element(
            "header",
            _element("h1", title),
            _element("p", f"{len(run_views)} run{'s' * (len(run_views) > 1)}: {said}", class_="faint"),
        ),
        main,
    ]


def _tools() -> ET.Element:
    about = "words, such as done or style_weight=20"
    return _element(
        "div",
        _element("label", "Filter ", _element("input", type="search", id="filter", placeholder=about)),
        _element("output", id="found", **{"for": "filter"}),
        id="tools",
        class_="tools",
        hidden="",
    )


def _two() -> ET.Element:
    """Filled by the script: any two pictures of the page, one over the other."""
    return _element(
        "section",
        _element("h2", "Two of them"),
        _element("figure"),
        _element(
            "div",
            _element("label", "Left ", _element("select")),
            _element("label", "Right ", _element("select")),
            class_="tools",
        ),
        id="two",
        hidden="",
    )


def _losses(run_views: Sequence[RunView]) -> ET.Element | None:
    charts = []
    for over, across in {"done": "iterations", "seconds": "seconds"}.items():
        totals = [each.total(over=over, key=f"run-{at}") for at, each in enumerate(run_views, start=1)]
        chart = Chart(totals, f"Loss of each run over {across}, both axes logarithmic", across=across)
        charts += [] if chart.is_empty else [chart]
    if not charts:
        return None
    legend = [
        _element(
            "li", _element("a", curve.name, href=f"#{curve.key}"), class_=style_of(at), data_run=curve.key
        )
        for at, curve in enumerate(charts[0].curves)
    ]
    return _element(
        "section", _element("h2", "Loss"), *map(svg, charts), _element("ul", *legend, class_="legend")
    )


def _table(run_views: Sequence[RunView], names: Sequence[str]) -> ET.Element:
    numbers = ("iterations", "loss", "seconds")
    head = [_element("th", name, scope="col") for name in ("run", "status", *names)]
    head += [_element("th", name, scope="col", class_="number") for name in numbers]
    rows = []
    for number, each in enumerate(run_views, start=1):
        summary = each.summary
        rows.append(
            _element(
                "tr",
                _element("th", _element("a", each.name, href=f"#run-{number}"), scope="row"),
                _element("td", _status(each)),
                *(_setting(each.recipe, name) for name in names),
                _number(each.done, f"{each.done}/{summary.planned}" if summary else str(each.done)),
                _number(summary.loss if summary else None),
                _number(summary.seconds if summary else None),
                data_run=f"run-{number}",
            )
        )
    return _element(
        "div",
        _element("table", _element("thead", _element("tr", *head)), _element("tbody", *rows)),
        class_="table",
        # What scrolls must be reachable by keyboard.
        tabindex=0,
        role="region",
        aria_label="Table of runs",
    )


def _status(run_view: RunView) -> ET.Element:
    return _element("span", run_view.status, class_=f"status {run_view.status}")


def _setting(recipe: Recipe | None, name: str) -> ET.Element:
    if recipe is None:
        return _element("td")
    value = getattr(recipe, name)
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    text = setting(recipe, name)
    return _element("td", text, data_value=number, title=text if len(text) > _LONG else None)


def _number(value: float | None, text: str | None = None) -> ET.Element:
    shown = "" if value is None else f"{value:.4g}" if text is None else text
    return _element("td", shown, class_="number", data_value="" if value is None else repr(value))


def _card(number: int, run_view: RunView, names: Sequence[str], album: _Album, runs: int) -> ET.Element:
    alt = f"{run_view.name}: {run_view.pictures or 'a painting'}"
    image = album.show(run_view.result, "result", alt=alt, data_title=run_view.name)
    figure = _element(
        "figure",
        image,
        data_before=album.content_of(run_view) if image.tag == "img" else None,
        data_name=run_view.name,
    )
    settings = [(name, setting(run_view.recipe, name)) for name in names] if run_view.recipe else []
    facts, more = settings[:_FACTS], settings[_FACTS:]
    if run_view.summary and run_view.summary.loss is not None:
        facts.append(("loss", f"{run_view.summary.loss:.5g}"))
    return _element(
        "article",
        _element("header", _element("h3", run_view.name), _status(run_view)),
        figure,
        _element("div", _facts(facts), *(_element("p", note, class_="note") for note in run_view.notes)),
        _details(run_view, more, album, runs),
        id=f"run-{number}",
    )


def _facts(facts: Sequence[tuple[str, str]]) -> ET.Element | None:
    if not facts:
        return None
    return _element(
        "dl", *(each for what, value in facts for each in (_element("dt", what), _element("dd", value)))
    )


def _details(run_view: RunView, more: Sequence[tuple[str, str]], album: _Album, runs: int) -> ET.Element:
    parts: list[ET.Element | None] = [_element("summary", "Curves, steps, recipe")]
    if run_view.pictures:
        parts.append(_element("p", run_view.pictures))
    parts += [_element("p", str(run_view.path), class_="faint"), _facts(more)]
    if (summary := run_view.summary) is not None:
        width, height = summary.size
        facts = [
            ("size", f"{width}x{height}"),
            ("iterations", f"{summary.done} of {summary.planned}"),
            ("time", f"{summary.seconds:.1f} s"),
            ("memory", f"{summary.peak_memory / 1e9:.1f} GB"),
            ("computed", f"on {summary.device} in {summary.precision}, threads: {summary.threads}"),
            *((name, f"{value:.5g}") for name, value in summary.losses.items()),
        ]
        parts.append(_facts(facts))
    steps = _chosen(run_view, runs)
    if steps:
        figures = [
            _element(
                "figure",
                album.show(path, "step", alt=f"after {done} iterations"),
                _element("figcaption", str(done)),
            )
            for done, path in steps.items()
        ]
        strip = [figure for figure in figures if figure[0].tag == "img"]
        parts += [_element("h4", "Steps"), _element("div", *strip, class_="steps")] if strip else []
    chart = Chart(
        run_view.terms(), f"Terms of the loss of {run_view.name} over iterations", marks=run_view.levels()
    )
    if not chart.is_empty:
        legend = [_element("li", curve.name, class_=style_of(at)) for at, curve in enumerate(chart.curves)]
        parts += [_element("h4", "Loss"), svg(chart), _element("ul", *legend, class_="legend")]
    if run_view.recipe is not None:
        parts += [_element("h4", "Recipe"), _recipe(run_view.name, run_view.recipe)]
    return _element("details", *parts)


def _recipe(name: str, recipe: Recipe) -> ET.Element:
    # What scrolls must be reachable by keyboard, and then it needs a name.
    return _element("pre", recipe.to_toml(), tabindex=0, role="region", aria_label=f"Recipe of {name}")
