"""The loss curves of a page, their legends, and what must be known to read them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from impasto.figures.charts import Chart, style_of, svg
from impasto.reports import words
from impasto.reports.markup import element
from impasto.reports.run_view import RunView


def losses(run_views: Sequence[RunView]) -> ET.Element | None:
    """The loss of each run over iterations and over seconds; None where there is nothing to draw."""
    charts = []
    for over, across in {"done": "iterations", "seconds": "seconds"}.items():
        totals = [each.total(over=over, key=f"run-{at}") for at, each in enumerate(run_views, start=1)]
        chart = Chart(totals, f"Loss of each run over {across}, both axes logarithmic", across=across)
        charts += [] if chart.is_empty else [chart]
    if not charts:
        return None
    caution = words.unlike([each.recipe for each in run_views])
    return element(
        "section",
        element("h2", "Loss"),
        element("p", caution, class_="caution") if caution else None,
        element("div", *map(svg, charts), class_="charts"),
        legend(charts[0]),
        element("p", words.LOSSES, class_="hint"),
    )


def legend(chart: Chart) -> ET.Element:
    """The names of a chart's curves. A curve that covers another one says so."""
    items = []
    for at, curve in enumerate(chart.curves):
        name = element("a", curve.name, href=f"#{curve.key}") if curve.key else curve.name
        twin = chart.twins.get(at)
        same = f" (same curve as {chart.curves[twin].name})" if twin is not None else None
        style = style_of(at) if twin is None else f"{style_of(at)} twin"
        items.append(element("li", element("span", name, same), class_=style, data_run=curve.key or None))
    return element("ul", *items, class_="legend")
