"""Runs side by side on one page: pictures, curves and a table, in a self-contained HTML file.

The page opens from a disk, years later, without a network (:mod:`impasto.reports.document`). Pictures, curves and the
table need no JavaScript.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from impasto.errors import ParameterError
from impasto.reports import document
from impasto.reports.gallery import Progress, gallery
from impasto.reports.losses import losses
from impasto.reports.markup import element
from impasto.reports.run_view import RunView, differing_settings, read_all
from impasto.reports.tables import table

_FEW = 3  # runs that need no filter


def write(path: Path, runs: Sequence[Path], *, title: str = "Runs", progress: Progress | None = None) -> None:
    """Write a report of runs: pictures, curves, a table and recipes, as one HTML file.

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
    document.write(path, title, _body(read_all(runs), title, progress or (lambda done, total: None)))


def _body(run_views: Sequence[RunView], title: str, progress: Progress) -> list[ET.Element]:
    names = differing_settings(run_views)
    counts = {each.status: 0 for each in run_views}
    for each in run_views:
        counts[each.status] += 1
    statuses = ", ".join(f"{count} {status}" for status, count in counts.items())
    return [
        element("a", "To the pictures", href="#pictures", class_="skip"),
        element(
            "header",
            element("h1", title),
            element("p", f"{len(run_views)} run{'s' * (len(run_views) > 1)}: {statuses}", class_="faint"),
        ),
        element(
            "main",
            _tools() if len(run_views) > _FEW else None,
            gallery(run_views, names, progress),
            _any_two() if len(run_views) > 1 else None,
            losses(run_views),
            element("h2", "Table"),
            table(run_views, names),
        ),
    ]


def _tools() -> ET.Element:
    about = "words, such as done or style_weight=20"
    return element(
        "div",
        element("label", "Filter ", element("input", type="search", id="filter", placeholder=about)),
        element("label", "Sort by ", element("select", id="order")),
        element("output", id="found", **{"for": "filter"}),
        id="tools",
        class_="tools",
        hidden="",
    )


def _any_two() -> ET.Element:
    """The comparison slider for any two pictures of the page; the script fills it."""
    return element(
        "section",
        element("h2", "Two of them"),
        element(
            "div",
            element("label", "Left ", element("select")),
            element("label", "Right ", element("select")),
            class_="tools",
        ),
        element("figure"),
        id="two",
        hidden="",
    )
