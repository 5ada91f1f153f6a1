"""The pictures of a page, embedded in it as WebP, together within a budget of bytes."""

from __future__ import annotations

import base64
import io
import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import PIL.Image

from impasto.figures.contact_sheet import thumbnail
from impasto.recipes.fields import Input
from impasto.reports.markup import element
from impasto.reports.run_view import RunView, picture_or_note

BUDGET = 10_500_000
"""Bytes that all pictures of a page may have; base64 makes a third more of them."""

# Kind of picture -> its longest side in pixels, and its share of the budget in relation to the others.
# A kind that is missing here, such as a mask, is shown as a style is.
_SIDES = {"result": 1280, "content": 1280, "style": 400, "palette": 400, "step": 640}
_SHARES = {"result": 1.0, "content": 1.0, "style": 0.2, "palette": 0.2, "step": 0.15}
_STEPS = 240  # on a page, at most
_STEPS_OF_A_RUN = 16


@dataclass
class Album:
    """The pictures of a page, each within its share of the budget; an input that runs share is embedded once."""

    unit: float  # bytes of a picture whose share is 1
    side: int  # of the largest result: a content need not be larger
    inputs: dict[tuple[str, str], ET.Element] = field(default_factory=dict)

    @classmethod
    def of(cls, run_views: Sequence[RunView]) -> Album:
        """An empty album, with the budget divided among the pictures of these runs."""
        inputs = {key for each in run_views for key in _inputs(each)}
        shares = [_SHARES.get(kind, _SHARES["style"]) for kind, _ in inputs]
        shares += [_SHARES["result"] for each in run_views if each.result]
        shares += [_SHARES["step"] for each in run_views for _ in chosen_steps(each, len(run_views))]
        largest = max((max(each.summary.size) for each in run_views if each.summary), default=0)
        return cls(BUDGET / max(1.0, sum(shares)), largest or _SIDES["content"])

    def show(self, source: Path | None, kind: str, **attributes: Any) -> ET.Element:
        """An ``img``, or, where the picture cannot be read, a ``div`` that says why."""
        found = picture_or_note(source)
        if isinstance(found, str):
            return element("div", found, class_="empty")
        side = min(_SIDES["content"], self.side) if kind == "content" else _SIDES.get(kind, _SIDES["style"])
        return _image(found, side=side, limit=self.unit * _SHARES.get(kind, _SHARES["style"]), **attributes)

    def content_of(self, run_view: RunView) -> str | None:
        """The id of the ``img`` of a run's content; None where there is none, or it could not be read."""
        for key in _inputs(run_view):
            if key[0] == "content" and self.inputs[key][0].tag == "img":
                return self.inputs[key][0].get("id")
        return None

    def take_in(self, run_view: RunView) -> None:
        """Embed the pictures that went into a run, except those already embedded."""
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
            self.inputs[kind, key] = element(
                "figure", shown, element("figcaption", f"{kind}: {name}", title=source.path)
            )


def _inputs(run_view: RunView) -> Mapping[tuple[str, str], Input]:
    """(kind, what tells it from others) -> the picture."""
    inputs = run_view.recipe.inputs if run_view.recipe else ()
    return {(kind, each.sha256 or each.path): each for kind, each in inputs}


def chosen_steps(run_view: RunView, runs: int) -> dict[int, Path]:
    """The steps to show, iteration -> picture: all of them or, where they are many, some from first to last.

    Args:
        run_view: the run.
        runs: how many runs the page has; they share the steps of a page.
    """
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
    return element("img", src=uri, width=small.width, height=small.height, decoding="async", **attributes)
