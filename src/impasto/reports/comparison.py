"""A comparison of two runs: the inputs, both results, the settings that differ, and both losses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from impasto.errors import OutputError, ParameterError
from impasto.figures import charts as curves
from impasto.figures.charts import Chart
from impasto.figures.contact_sheet import contact_sheet, cut, longest_side, paragraph, to_ascii
from impasto.files import replacing
from impasto.recipes.fields import Input
from impasto.reports import side_by_side, words
from impasto.reports.run_view import RunView, differing_settings, picture_or_note, read_all, setting
from impasto.reports.tables import outcomes
from impasto.reports.words import name_of

SUFFIXES = (".png", ".html")

_PAPER, _INK = "#ffffff", "#1e1e1e"
_GAP = 8
_CHART = 640  # the narrowest chart
_SMALL = 288  # smaller results are enlarged


def write(path: Path, first: Path, second: Path) -> None:
    """Write the comparison of two runs as a picture (.png), or as a page with a comparison slider (.html).

    Raises:
        ParameterError: another suffix.
        OutputError: the file cannot be written.
    """
    check_output(path)
    if path.suffix.lower() == ".html":
        side_by_side.write(path, first, second)
        return
    picture = draw(first, second)
    try:
        with replacing(path) as file:
            picture.save(file, "PNG")
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror or error}") from None


def check_output(path: Path) -> None:
    """Check a path's suffix.

    Raises:
        ParameterError: the suffix is not one of :data:`SUFFIXES`.
    """
    if path.suffix.lower() not in SUFFIXES:
        got = repr(path.suffix) if path.suffix else "none"
        raise ParameterError(f"{path}: expected a name that ends in {' or '.join(SUFFIXES)}, got {got}")


def draw(first: Path, second: Path, *, cell: int = 512, text: int = 15) -> PIL.Image.Image:
    """The comparison of two runs as a picture. A picture that cannot be read is replaced by the reason.

    Args:
        first, second: folders of the runs.
        cell: the longest side of each result in the comparison, in pixels.
        text: font size in pixels.
    """
    both = read_all([first, second])
    pictures, table = _pictures(both, cell, text), _settings(both, text)
    chart = Chart([each.total() for each in both], "loss")
    if chart.is_empty:
        return _joined([pictures, table], down=True)
    # The chart stands beside the table where there is room for it, else below.
    beside = pictures.width - table.width - _GAP >= _CHART * 3 // 4
    width = pictures.width - table.width - _GAP if beside else max(_CHART, pictures.width)
    drawn = curves.picture(
        chart, width=width, height=max(20 * text, table.height if beside else 0), text=text
    )
    recipes = [each.recipe for each in both]
    notes = [
        paragraph(each, max(width, pictures.width), text=text)
        for each in (words.unlike(recipes), words.LOSSES)
        if each
    ]
    rest = [_joined([table, drawn], down=False)] if beside else [table, drawn]
    return _joined([pictures, *rest, *notes], down=True)


def _pictures(both: Sequence[RunView], cell: int, text: int) -> PIL.Image.Image:
    """Both results at one size, to the right of their content and style; inputs that both share are shown once."""
    found = [picture_or_note(each.result) for each in both]
    side = min(cell, max(_SMALL, *(0 if isinstance(each, str) else longest_side([each]) for each in found)))
    results = [_note(each, side) if isinstance(each, str) else _fitted(each, side) for each in found]
    height = max(each.height for each in results)
    parts: list[tuple[str, PIL.Image.Image]] = []
    shown: list[Input] = []
    for each, result in zip(both, results, strict=True):
        inputs = [picture for kind, picture in each.inputs if kind in ("content", "style")]
        if inputs and _hashes(inputs) != _hashes(shown):
            parts.append(("content and style", _inputs(inputs, height)))
            shown = inputs
        parts.append((each.title.whole, result))
    labels, row = zip(*parts, strict=True)
    return contact_sheet([row], column_labels=labels, cell=longest_side(row), text=text)


def _inputs(inputs: Sequence[Input], height: int) -> PIL.Image.Image:
    """Content and styles, one above the other; together as high as a result."""
    each = max(1, (height - _GAP * (len(inputs) - 1)) // len(inputs))
    found = [picture_or_note(Path(source.path)) for source in inputs]
    column = [_note(got, 2 * each) if isinstance(got, str) else _fitted(got, 2 * each, each) for got in found]
    return _joined(column, down=True)


def _hashes(inputs: Sequence[Input]) -> list[str]:
    return [each.sha256 or each.path for each in inputs]


def _fitted(picture: PIL.Image.Image, width: int, height: int | None = None) -> PIL.Image.Image:
    """The picture enlarged or reduced to fit, with its proportions."""
    scale = min(width / picture.width, (height or width) / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture if size == picture.size else picture.resize(size, PIL.Image.Resampling.LANCZOS)


def _note(reason: str, side: int) -> PIL.Image.Image:
    """An empty place with the reason why there is no picture."""
    blank = PIL.Image.new("RGB", (side, side // 2), "#eeeeee")
    font = PIL.ImageFont.load_default(15)
    place = side // 2, side // 4
    PIL.ImageDraw.Draw(blank).text(place, cut(reason, side - 2 * _GAP), _INK, font=font, anchor="mm")
    return blank


def _joined(parts: Sequence[PIL.Image.Image], *, down: bool) -> PIL.Image.Image:
    """Pictures one below the other, or side by side, with gaps between them."""
    gaps = _GAP * (len(parts) - 1)
    widths, heights = [part.width for part in parts], [part.height for part in parts]
    size = (max(widths), sum(heights) + gaps) if down else (sum(widths) + gaps, max(heights))
    sheet = PIL.Image.new("RGB", size, _PAPER)
    at = 0
    for part in parts:
        sheet.paste(part, (0, at) if down else (at, 0))
        at += (part.height if down else part.width) + _GAP
    return sheet


def _settings(both: Sequence[RunView], text: int) -> PIL.Image.Image:
    """A table of the settings that differ, and of each run's status, iterations, loss and time."""
    rows = [
        (name_of(name), *(setting(each.recipe, name) if each.recipe else "" for each in both))
        for name in differing_settings(both)
    ]
    table = [("", *(each.title.whole for each in both)), *rows, *outcomes(*both)]
    font = PIL.ImageFont.load_default(text)
    cells = [[to_ascii(cell if len(cell) <= 60 else cell[:57] + "...") for cell in row] for row in table]
    widths = [max(font.getlength(row[at]) for row in cells) + 2 * text for at in range(3)]
    line = 1.5 * text
    sheet = PIL.Image.new("RGB", (round(sum(widths)) + _GAP, round(line * len(cells))), _PAPER)
    pen = PIL.ImageDraw.Draw(sheet)
    for row, y in zip(cells, range(len(cells)), strict=True):
        for at, shown in enumerate(row):
            pen.text((_GAP + sum(widths[:at]), (y + 0.5) * line), shown, _INK, font=font, anchor="lm")
    return sheet
