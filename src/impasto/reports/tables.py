"""The tables of a page: all runs, one a row; and two runs side by side."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from impasto.recipes.recipe import Recipe
from impasto.reports.gallery import status_of
from impasto.reports.markup import element
from impasto.reports.run_view import RunView, setting
from impasto.reports.words import FINAL_LOSS, name_of

_MAX_LETTERS = 30  # a longer cell gets a tooltip, since it may be cut off


def table(run_views: Sequence[RunView], names: Sequence[str]) -> ET.Element:
    """One row for each run; columns for the settings that differ, and for what came of them."""
    head = [_head("run"), _head("status"), *(_head(name_of(name), setting=name) for name in names)]
    head += [_head(name, class_="number") for name in ("iterations", FINAL_LOSS, "seconds")]
    rows = []
    for number, each in enumerate(run_views, start=1):
        summary = each.summary
        link = element("a", each.title.short or each.title.whole, href=f"#run-{number}", title=str(each.path))
        rows.append(
            element(
                "tr",
                element("th", link, scope="row"),
                element("td", status_of(each)),
                *(_setting(each.recipe, name) for name in names),
                _number(each.done, f"{each.done}/{summary.planned}" if summary else str(each.done)),
                _number(summary.loss if summary else None, loss_of(each)),
                _number(summary.seconds if summary else None),
                data_run=f"run-{number}",
                data_words=each.name,
            )
        )
    return _scrolling("Table of runs", head, rows, id="table")


def differences(first: RunView, second: RunView, names: Sequence[str]) -> ET.Element:
    """The settings that differ between two runs, and what came of them; a column for each run."""
    both = first, second
    rows = [
        (name_of(name), *(setting(each.recipe, name) if each.recipe else "" for each in both))
        for name in names
    ]
    rows += outcomes(first, second)
    head = [element("td"), *(_head(each.title.whole) for each in both)]
    body = [
        element("tr", element("th", what, scope="row"), *(element("td", value) for value in values))
        for what, *values in rows
    ]
    return _scrolling("Differences between the runs", head, body, class_="pair-table")


def outcomes(first: RunView, second: RunView) -> list[tuple[str, str, str]]:
    """What came of two runs: (name, of the first, of the second)."""
    both = [
        (
            each.status,
            str(each.done),
            loss_of(each),
            f"{each.summary.seconds:.1f}" if each.summary else "",
        )
        for each in (first, second)
    ]
    return list(zip(("status", "iterations", FINAL_LOSS, "seconds"), *both, strict=True))


def loss_of(run_view: RunView) -> str:
    """The final loss; of an unfinished run, the loss so far."""
    if run_view.summary is None or run_view.summary.loss is None:
        return ""
    return f"{run_view.summary.loss:.4g}" + ("" if run_view.is_done else " so far")


def _scrolling(
    label: str,
    head: Sequence[ET.Element],
    rows: Sequence[ET.Element],
    *,
    id: str | None = None,
    class_: str | None = None,
) -> ET.Element:
    whole = element(
        "div",
        element("table", element("thead", element("tr", *head)), element("tbody", *rows), id=id),
        class_="table",
        # A scrollable element must be reachable by keyboard.
        tabindex=0,
        role="region",
        aria_label=label,
    )
    return element(
        "div",
        element("p", "Scroll the table sideways for more columns →", class_="more"),
        whole,
        class_=class_,
    )


def _head(name: str, *, setting: str | None = None, class_: str | None = None) -> ET.Element:
    return element("th", name, scope="col", title=setting, class_=class_)


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
