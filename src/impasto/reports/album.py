"""The pictures of a page, embedded as WebP within a total budget of bytes."""

from __future__ import annotations

import base64
import copy
import io
import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
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

# Kind of picture -> its longest side in pixels, and its relative share of the budget. The others are masks.
_MAX_SIDES = {"result": 1280, "content": 1280, "style": 640, "step": 640}
_SHARES = {"result": 1.0, "content": 1.0, "style": 0.3, "step": 0.15, "again": 0.05}
_MASK_SIDE, _MASK_SHARE = 400, 0.2
_AGAIN_SIDE = 320
_MAX_STEPS = 240  # per page
_MAX_STEPS_OF_A_RUN = 16


_Key = tuple[str, str]
"""(kind, SHA-256 or path) of an input."""


@dataclass
class Album:
    """The pictures of a page, each within its share of the budget.

    An input is embedded once. Where it is shown again, a small copy refers to the first by its id.
    """

    bytes_per_share: float  # bytes of a picture whose share is 1
    side: int  # long side of the largest result; contents are scaled down to it
    _inputs: dict[_Key, ET.Element] = field(default_factory=dict)  # the first img, or why there is none
    _copies: dict[_Key, PIL.Image.Image] = field(default_factory=dict)

    @classmethod
    def of(cls, run_views: Sequence[RunView]) -> Album:
        """An empty album, with the budget divided among these runs' pictures."""
        shown = [key for group in by_pictures(run_views) for key in _inputs_of(group)]
        shares = [_share(kind) for kind, _ in set(shown)]
        shares += [_SHARES["again"]] * (len(shown) - len(set(shown)))
        shares += [_SHARES["result"] for each in run_views if each.result]
        shares += [_SHARES["step"] for each in run_views for _ in chosen_steps(each, len(run_views))]
        largest = max((max(each.summary.size) for each in run_views if each.summary), default=0)
        return cls(BUDGET / max(1.0, sum(shares)), largest or _MAX_SIDES["content"])

    def embed(self, source: Path | None, kind: str, **attributes: Any) -> ET.Element:
        """An ``img``; where the picture cannot be read, a ``div`` with the reason."""
        found = picture_or_note(source)
        if isinstance(found, str):
            return element("div", found, class_="empty")
        return self._img(found, kind, **attributes)

    def content_of(self, run_view: RunView) -> str | None:
        """The id of the ``img`` of a run's content; None where the content is missing or cannot be read."""
        found = [self._inputs.get(key) for key in _inputs_of([run_view]) if key[0] == "content"]
        return found[0].get("id") if found and found[0] is not None else None

    def inputs_of(self, group: Sequence[RunView]) -> list[ET.Element]:
        """A ``figure`` for each input picture of some runs."""
        return [self._input(key, source) for key, source in _inputs_of(group).items()]

    def _input(self, key: _Key, source: Input) -> ET.Element:
        caption = f"{key[0]}: {Path(source.path).name}"
        first = self._inputs.get(key)
        if first is not None and key in self._copies:
            shown = self._img(self._copies[key], "again", alt=caption, data_full=first.get("id"))
        else:
            shown = self._first(key, source, caption) if first is None else copy.deepcopy(first)
        return element("figure", shown, element("figcaption", caption, title=source.path))

    def _first(self, key: _Key, source: Input, caption: str) -> ET.Element:
        """An input where it is shown first; a small copy is kept for the other places."""
        found = picture_or_note(Path(source.path))
        if isinstance(found, str):
            shown = element("div", found, class_="empty")
        else:
            title = caption if key[0] == "content" else None
            number = f"input-{len(self._inputs) + 1}"
            shown = self._img(found, key[0], alt=caption, id=number, data_title=title)
            self._copies[key] = thumbnail(found, _AGAIN_SIDE)
        self._inputs[key] = shown
        return shown

    def _img(self, found: PIL.Image.Image, kind: str, **attributes: Any) -> ET.Element:
        side = _MAX_SIDES.get(kind, _MASK_SIDE)
        side = min(side, self.side) if kind == "content" else side
        return _image(found, side=side, limit=self.bytes_per_share * _share(kind), **attributes)


def by_pictures(run_views: Sequence[RunView]) -> list[list[RunView]]:
    """The runs in groups of the same content and styles, in the order of each group's first run."""
    groups: dict[tuple[_Key, ...], list[RunView]] = {}
    for each in run_views:
        key = tuple(key for key in _inputs_of([each]) if key[0] in ("content", "style"))
        groups.setdefault(key, []).append(each)
    return list(groups.values())


def _inputs_of(group: Sequence[RunView]) -> dict[_Key, Input]:
    return {(kind, each.sha256 or each.path): each for view in group for kind, each in view.inputs}


def _share(kind: str) -> float:
    return _SHARES.get(kind, _MASK_SHARE)


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
