"""The pictures of a page: each result beside its content and its style, with the run's details below it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence

from impasto.figures.charts import Chart, svg
from impasto.recipes.recipe import Recipe
from impasto.reports.album import Album, by_pictures, chosen_steps
from impasto.reports.losses import legend
from impasto.reports.markup import element
from impasto.reports.run_view import RunView, setting
from impasto.reports.words import FINAL_LOSS, name_of

Progress = Callable[[int, int], object]


def gallery(run_views: Sequence[RunView], names: Sequence[str], progress: Progress) -> ET.Element:
    """A section for each pair of content and style, with its results.

    Args:
        run_views: the runs; the number of each, from 1, is in the id of its card.
        names: of the settings that differ.
        progress: called with (runs done, runs in all).
    """
    album = Album.of(run_views)
    cards = {}
    groups = by_pictures(run_views)
    inputs = [album.inputs_of(group) for group in groups]  # first, since the cards refer to them
    for number, each in enumerate(run_views, start=1):
        cards[id(each)] = _card(number, each, names, album, len(run_views))
        progress(number, len(run_views))
    sections = [
        element(
            "section",
            element("h2", group[0].pictures or "Runs of unknown pictures"),
            element("div", *figures, class_="inputs") if figures else None,
            element("div", *(cards[id(each)] for each in group), class_="grid"),
            class_="pairing" if len(group) == 1 else "pairing wide",
        )
        for group, figures in zip(groups, inputs, strict=True)
    ]
    return element("div", *sections, id="pictures", class_="pairings")


def status_of(run_view: RunView) -> ET.Element:
    """A run's status as a badge."""
    return element("span", run_view.status, class_=f"status {run_view.status}")


def details(run_view: RunView, names: Sequence[str], album: Album, runs: int) -> ET.Element:
    """What the picture does not show: settings, terms of the loss, saved pictures along the way, recipe."""
    parts: list[ET.Element | None] = [element("summary", "Curves, steps, recipe")]
    parts.append(element("p", str(run_view.path), class_="faint"))
    settings = [(name_of(name), setting(run_view.recipe, name)) for name in names] if run_view.recipe else []
    parts.append(_facts([*settings, *_numbers(run_view)]))
    parts += _steps(run_view, album, runs)
    chart = Chart(
        run_view.terms(),
        f"Terms of the loss of {run_view.title.whole} over iterations",
        marks=run_view.levels(),
    )
    if not chart.is_empty:
        parts += [element("h4", "Loss"), svg(chart), legend(chart)]
    if run_view.recipe is not None:
        parts += [element("h4", "Recipe"), _recipe(run_view.title.whole, run_view.recipe)]
    return element("details", *parts)


def _card(number: int, run_view: RunView, names: Sequence[str], album: Album, runs: int) -> ET.Element:
    title = run_view.title.whole
    image = album.embed(run_view.result, "result", alt=f"result: {title}", data_title=title, data_name=title)
    is_shown = image.tag == "img"
    return element(
        "article",
        element(
            "header",
            element("h3", run_view.title.short or "result"),
            None if run_view.is_done else status_of(run_view),
        ),
        element(
            "figure",
            image,
            data_before=album.content_of(run_view) if is_shown else None,
            data_name=title,
        ),
        *(element("p", note, class_="note") for note in run_view.notes),
        details(run_view, names, album, runs),
        id=f"run-{number}",
    )


def _numbers(run_view: RunView) -> list[tuple[str, str]]:
    summary = run_view.summary
    if summary is None:
        return []
    width, height = summary.size
    loss = [] if summary.loss is None else [(_loss_name(run_view), f"{summary.loss:.5g}")]
    return [
        ("pixels", f"{width}x{height}"),
        ("iterations", f"{summary.done} of {summary.planned}"),
        ("time", f"{summary.seconds:.1f} s"),
        ("memory", f"{summary.peak_memory / 1e9:.1f} GB"),
        ("computed", f"on {summary.device} in {summary.precision}, threads: {summary.threads}"),
        *loss,
        *((f"· {name}", f"{value:.5g}") for name, value in summary.losses.items()),
    ]


def _loss_name(run_view: RunView) -> str:
    return FINAL_LOSS if run_view.is_done else "loss so far"


def _facts(facts: Sequence[tuple[str, str]]) -> ET.Element | None:
    if not facts:
        return None
    return element(
        "dl", *(each for what, value in facts for each in (element("dt", what), element("dd", value)))
    )


def _steps(run_view: RunView, album: Album, runs: int) -> list[ET.Element]:
    title = run_view.title.whole
    figures = [
        element(
            "figure",
            album.embed(
                path, "step", alt=f"after {done} iterations", data_name=f"{title}, after {done} iterations"
            ),
            element("figcaption", str(done)),
        )
        for done, path in chosen_steps(run_view, runs).items()
    ]
    strip = [figure for figure in figures if figure[0].tag == "img"]
    return [element("h4", "Steps"), element("div", *strip, class_="steps")] if strip else []


def _recipe(title: str, recipe: Recipe) -> ET.Element:
    # A scrollable element must be reachable by keyboard, and a focusable region needs a label.
    return element("pre", recipe.to_toml(), tabindex=0, role="region", aria_label=f"Recipe of {title}")
