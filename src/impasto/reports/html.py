"""Runs side by side on one page: a self-contained HTML file.

Pictures, curves, style and script are embedded, and a content security policy forbids everything else: the page opens
from a disk, years later, without a network. All text is inserted through :mod:`xml.etree`, which escapes it, so a
file name cannot become markup. The table, the pictures and the curves need no JavaScript.
"""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.resources
import string
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path

from impasto.errors import OutputError, ParameterError
from impasto.figures.charts import Chart, style_of, svg
from impasto.files import replacing
from impasto.recipes.recipe import Recipe
from impasto.reports.album import Album, chosen_steps
from impasto.reports.markup import element
from impasto.reports.run_view import RunView, differing_settings, read_all, setting

_MAX_FACTS = 6  # differing settings shown under a picture; the others are among the run's details
_MAX_LETTERS = 30  # a longer table cell gets a tooltip, since it may be cut off

Progress = Callable[[int, int], object]


def write(path: Path, runs: Sequence[Path], *, title: str = "Runs", progress: Progress | None = None) -> None:
    """Write a report of runs: a table, pictures, curves and recipes, as one HTML file.

    All pictures together take at most 14 MB, and each run about 30 kB in addition.

    Unfinished, failed, damaged or missing runs are listed with whatever could be read.

    Args:
        path: of the page.
        runs: their folders (:func:`impasto.reports.run_view.expand` finds all runs in a folder).
        title: of the page.
        progress: called with (runs done, runs in all).

    Raises:
        ParameterError: ``runs`` is empty.
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
        "style-src": _csp_hash(style),
        "script-src": _csp_hash(script),
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


def _csp_hash(text: str) -> str:
    """The source expression that allows exactly this script or style in the content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _body(run_views: Sequence[RunView], title: str, progress: Progress) -> list[ET.Element]:
    album = Album.of(run_views)
    names = differing_settings(run_views)
    cards = []
    for number, run_view in enumerate(run_views, start=1):
        album.add_inputs(run_view)
        cards.append(_card(number, run_view, names, album, len(run_views)))
        progress(number, len(run_views))
    counts = {each.status: 0 for each in run_views}
    for each in run_views:
        counts[each.status] += 1
    statuses = ", ".join(f"{count} {status}" for status, count in counts.items())
    main = element(
        "main",
        element("h2", "Runs", id="runs"),
        _tools(),
        _table(run_views, names),
        element("div", _comparison() if len(run_views) > 1 else None, _losses(run_views), class_="pair"),
        element("h2", "Pictures"),
        element("div", *cards, class_="grid"),
    )
    if album.inputs:
        main.append(element("h2", "What went in"))
        main.append(element("div", *album.inputs.values(), class_="inputs"))
    return [
        element("a", "To the runs", href="#runs", class_="skip"),
        element(
            "header",
            element("h1", title),
            element("p", f"{len(run_views)} run{'s' * (len(run_views) > 1)}: {statuses}", class_="faint"),
        ),
        main,
    ]


def _tools() -> ET.Element:
    about = "words, such as done or style_weight=20"
    return element(
        "div",
        element("label", "Filter ", element("input", type="search", id="filter", placeholder=about)),
        element("output", id="found", **{"for": "filter"}),
        id="tools",
        class_="tools",
        hidden="",
    )


def _comparison() -> ET.Element:
    """The comparison slider for any two pictures of the page; the script fills it."""
    return element(
        "section",
        element("h2", "Two of them"),
        element("figure"),
        element(
            "div",
            element("label", "Left ", element("select")),
            element("label", "Right ", element("select")),
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
        element("li", element("a", curve.name, href=f"#{curve.key}"), class_=style_of(at), data_run=curve.key)
        for at, curve in enumerate(charts[0].curves)
    ]
    return element(
        "section", element("h2", "Loss"), *map(svg, charts), element("ul", *legend, class_="legend")
    )


def _table(run_views: Sequence[RunView], names: Sequence[str]) -> ET.Element:
    numbers = ("iterations", "loss", "seconds")
    head = [element("th", name, scope="col") for name in ("run", "status", *names)]
    head += [element("th", name, scope="col", class_="number") for name in numbers]
    rows = []
    for number, each in enumerate(run_views, start=1):
        summary = each.summary
        rows.append(
            element(
                "tr",
                element("th", element("a", each.name, href=f"#run-{number}"), scope="row"),
                element("td", _status(each)),
                *(_setting(each.recipe, name) for name in names),
                _number(each.done, f"{each.done}/{summary.planned}" if summary else str(each.done)),
                _number(summary.loss if summary else None),
                _number(summary.seconds if summary else None),
                data_run=f"run-{number}",
            )
        )
    return element(
        "div",
        element("table", element("thead", element("tr", *head)), element("tbody", *rows)),
        class_="table",
        # A scrollable element must be reachable by keyboard.
        tabindex=0,
        role="region",
        aria_label="Table of runs",
    )


def _status(run_view: RunView) -> ET.Element:
    return element("span", run_view.status, class_=f"status {run_view.status}")


def _setting(recipe: Recipe | None, name: str) -> ET.Element:
    if recipe is None:
        return element("td")
    value = getattr(recipe, name)
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    text = setting(recipe, name)
    return element("td", text, data_value=number, title=text if len(text) > _MAX_LETTERS else None)


def _number(value: float | None, text: str | None = None) -> ET.Element:
    shown = "" if value is None else f"{value:.4g}" if text is None else text
    return element("td", shown, class_="number", data_value="" if value is None else repr(value))


def _card(number: int, run_view: RunView, names: Sequence[str], album: Album, runs: int) -> ET.Element:
    alt = f"{run_view.name}: {run_view.pictures or 'a painting'}"
    image = album.embed(run_view.result, "result", alt=alt, data_title=run_view.name)
    figure = element(
        "figure",
        image,
        data_before=album.content_of(run_view) if image.tag == "img" else None,
        data_name=run_view.name,
    )
    settings = [(name, setting(run_view.recipe, name)) for name in names] if run_view.recipe else []
    facts, more = settings[:_MAX_FACTS], settings[_MAX_FACTS:]
    if run_view.summary and run_view.summary.loss is not None:
        facts.append(("loss", f"{run_view.summary.loss:.5g}"))
    return element(
        "article",
        element("header", element("h3", run_view.name), _status(run_view)),
        figure,
        element("div", _facts(facts), *(element("p", note, class_="note") for note in run_view.notes)),
        _details(run_view, more, album, runs),
        id=f"run-{number}",
    )


def _facts(facts: Sequence[tuple[str, str]]) -> ET.Element | None:
    if not facts:
        return None
    return element(
        "dl", *(each for what, value in facts for each in (element("dt", what), element("dd", value)))
    )


def _details(run_view: RunView, more: Sequence[tuple[str, str]], album: Album, runs: int) -> ET.Element:
    parts: list[ET.Element | None] = [element("summary", "Curves, steps, recipe")]
    if run_view.pictures:
        parts.append(element("p", run_view.pictures))
    parts += [element("p", str(run_view.path), class_="faint"), _facts(more)]
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
    steps = chosen_steps(run_view, runs)
    if steps:
        figures = [
            element(
                "figure",
                album.embed(path, "step", alt=f"after {done} iterations"),
                element("figcaption", str(done)),
            )
            for done, path in steps.items()
        ]
        strip = [figure for figure in figures if figure[0].tag == "img"]
        parts += [element("h4", "Steps"), element("div", *strip, class_="steps")] if strip else []
    chart = Chart(
        run_view.terms(), f"Terms of the loss of {run_view.name} over iterations", marks=run_view.levels()
    )
    if not chart.is_empty:
        legend = [element("li", curve.name, class_=style_of(at)) for at, curve in enumerate(chart.curves)]
        parts += [element("h4", "Loss"), svg(chart), element("ul", *legend, class_="legend")]
    if run_view.recipe is not None:
        parts += [element("h4", "Recipe"), _recipe(run_view.name, run_view.recipe)]
    return element("details", *parts)


def _recipe(name: str, recipe: Recipe) -> ET.Element:
    # A scrollable element must be reachable by keyboard, and a focusable region needs a label.
    return element("pre", recipe.to_toml(), tabindex=0, role="region", aria_label=f"Recipe of {name}")
