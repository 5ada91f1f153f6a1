"""The contact sheet of a sweep: content and style once, at the left; one picture for each combination."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import PIL.Image

from impasto.figures.contact_sheet import contact_sheet, tagged, thumbnail
from impasto.jobs.job import Job, is_done
from impasto.recipes.grid import format_value
from impasto.reports.run_view import picture_or_note
from impasto.reports.words import phrase
from impasto.runs.layout import RESULT

_CELL, _SHEET = 256, 40_000_000  # the longest side of a picture on the sheet; the most pixels of a sheet
_TEXT = 16  # pixels of a cell for one of the text

_Row = list[PIL.Image.Image | None]
_Pair = tuple[Path, Path]


def draw(queue: Sequence[Job]) -> PIL.Image.Image | None:
    """A contact sheet of the finished pictures; None where none is finished.

    The columns are the values of the grid's first setting. The rows are the pairs of pictures and the values of all
    other settings. To the left of a pair's rows are its content and its style; the next pair does not repeat the
    content.
    """
    # With many pictures, smaller cells limit the size of the sheet.
    side = max(32, min(_CELL, math.isqrt(_SHEET // len(queue))))
    results = {job.path: _thumbnail(job.path / RESULT, side) for job in queue if is_done(job.path)}
    sizes = [each.size for each in results.values() if each]
    if not sizes:
        return None
    box = max(width for width, _ in sizes), max(height for _, height in sizes)
    axes = list(dict.fromkeys(name for job in queue for name in job.variant.settings))
    columns = _distinct(queue, axes[:1])
    rows = _distinct(queue, axes[1:])
    by_pair: dict[_Pair, dict[tuple[str, str], PIL.Image.Image | None]] = {}
    for job in queue:
        pair = by_pair.setdefault((job.variant.content, job.variant.style), {})
        pair[_key(job, axes[:1]), _key(job, axes[1:])] = results.get(job.path)
    text = max(11, max(box) // _TEXT)
    inputs = _Inputs(box, text, stacked=len(rows) > 1, named=len(by_pair) > 1)
    return contact_sheet(
        [
            [*lead, *(found.get((column, row)) for column in columns)]
            for pair, found in by_pair.items()
            for row, lead in zip(rows, inputs.rows(*pair, len(rows)), strict=True)
        ],
        row_labels=list(rows.values()) * len(by_pair) if any(rows.values()) else [],
        column_labels=[*[""] * inputs.columns, *columns.values()] if any(columns.values()) else [],
        lead=inputs.columns,
        cell=max(box),
        text=text,
    )


@dataclass
class _Inputs:
    """Content and style at the left: one above the other where a pair has several rows, else side by side.

    Attributes:
        box: the largest width and height of the results; content and style fit into it, so that the gaps are even.
        text: font size.
        stacked: whether a pair has several rows.
        named: whether the pictures are labelled by their names, since there are several.
    """

    box: tuple[int, int]
    text: int
    stacked: bool
    named: bool
    _last: Path | None = None  # the content of the pair before

    @property
    def columns(self) -> int:
        """Columns to the left of the results."""
        return 1 if self.stacked else 2

    def rows(self, content: Path, style: Path, count: int) -> list[_Row]:
        """The cells to the left of a pair's rows; a content is not repeated from pair to pair."""
        first = None if content == self._last else self._shown(content, "content")
        self._last = content
        pair = [first, self._shown(style, "style")]
        if not self.stacked:
            return [pair]
        cells = pair if first else pair[1:]
        return [[cell] for cell in (cells + [None] * count)[:count]]

    def _shown(self, path: Path, kind: str) -> PIL.Image.Image | None:
        found = _thumbnail(path, max(self.box))
        if found is None:
            return None
        scale = min(self.box[0] / found.width, self.box[1] / found.height)
        fitted = thumbnail(found, max(1, int(scale * max(found.size))))
        return tagged(fitted, f"{kind}: {path.stem}" if self.named else kind, text=self.text)


def _distinct(queue: Sequence[Job], axes: Sequence[str]) -> Mapping[str, str]:
    """The combinations of some settings: unique text -> words for a heading."""
    return {
        _key(job, axes): ", ".join(phrase(name, job.variant.settings[name]) for name in axes) for job in queue
    }


def _key(job: Job, axes: Sequence[str]) -> str:
    return ",".join(f"{name}={format_value(job.variant.settings[name])}" for name in axes)


def _thumbnail(path: Path, side: int) -> PIL.Image.Image | None:
    """The picture at the size of a cell; None where the file cannot be read, so that the sheet shows the others."""
    found = picture_or_note(path)
    return None if isinstance(found, str) else thumbnail(found, side)
