"""The pictures of a page, embedded as WebP within a total budget of bytes."""

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
"""Bytes of all pictures of a page together; base64 adds a third."""

# Kind of picture -> its longest side in pixels, and its relative share of the budget.
_MAX_SIDES = {"result": 1280, "content": 1280, "style": 400, "palette": 400, "step": 640}
_SHARES = {"result": 1.0, "content": 1.0, "style": 0.2, "palette": 0.2, "step": 0.15}
_MAX_STEPS = 240  # per page
_MAX_STEPS_OF_A_RUN = 16


@dataclass
class Album:
    """The pictures of a page, each within its share of the budget. An input used by several runs is embedded once."""

    bytes_per_share: float  # bytes of a picture whose share is 1
    side: int  # long side of the largest result; contents are scaled down to it
    inputs: dict[tuple[str, str], ET.Element] = field(default_factory=dict)

    @classmethod
    def of(cls, run_views: Sequence[RunView]) -> Album:
        """An empty album, with the budget divided among these runs' pictures."""
        inputs = {key for each in run_views for key in _inputs(each)}
        shares = [_SHARES[kind] for kind, _ in inputs]
        shares += [_SHARES["result"] for each in run_views if each.result]
        shares += [_SHARES["step"] for each in run_views for _ in chosen_steps(each, len(run_views))]
        largest = max((max(each.summary.size) for each in run_views if each.summary), default=0)
        return cls(BUDGET / max(1.0, sum(shares)), largest or _MAX_SIDES["content"])

    def embed(self, source: Path | None, kind: str, **attributes: Any) -> ET.Element:
        """An ``img``; where the picture cannot be read, a ``div`` with the reason."""
        found = picture_or_note(source)
        if isinstance(found, str):
            return element("div", found, class_="empty")
        side = min(_MAX_SIDES[kind], self.side) if kind == "content" else _MAX_SIDES[kind]
        return _image(found, side=side, limit=self.bytes_per_share * _SHARES[kind], **attributes)

    def content_of(self, run_view: RunView) -> str | None:
        """The id of the ``img`` of a run's content; None where the content is missing or cannot be read."""
        for key in _inputs(run_view):
            if key[0] == "content" and self.inputs[key][0].tag == "img":
                return self.inputs[key][0].get("id")
        return None

    def add_inputs(self, run_view: RunView) -> None:
        """Embed a run's input pictures, except those already embedded."""
        for (kind, key), source in _inputs(run_view).items():
            if (kind, key) in self.inputs:
                continue
            name = Path(source.path).name
            title = f"{kind}: {name}" if kind == "content" else None
            shown = self.embed(
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
    """(kind, SHA-256 or path) -> the input picture."""
    inputs = run_view.recipe.inputs if run_view.recipe else ()
    return {(kind, each.sha256 or each.path): each for kind, each in inputs}


def chosen_steps(run_view: RunView, runs: int) -> dict[int, Path]:
    """The intermediate pictures to show, iteration -> picture; an evenly spaced subset where there are many.

    Args:
        run_view: the run.
        runs: the number of runs on the page, which share the page's limit.
    """
    count = max(2, min(_MAX_STEPS_OF_A_RUN, _MAX_STEPS // runs))
    steps = [pair for pair in run_view.steps.items() if pair[1] != run_view.result]
    if len(steps) > count:
        steps = [steps[round(at * (len(steps) - 1) / (count - 1))] for at in range(count)]
    return dict(steps)


def _image(picture: PIL.Image.Image, *, side: int, limit: float, **attributes: Any) -> ET.Element:
    """The picture as WebP in an ``img``, scaled down until it has at most ``limit`` bytes."""
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
