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
from impasto.figures.contact_sheet import contact_sheet, to_ascii
from impasto.files import replacing
from impasto.reports import html as report
from impasto.reports.run_view import RunView, differing_settings, picture_or_note, read_all, setting

SUFFIXES = (".png", ".html")

_PAPER, _INK = "#ffffff", "#1e1e1e"
_GAP = 8


def write(path: Path, first: Path, second: Path) -> None:
    """Write the comparison of two runs as a picture (.png), or as a page with a comparison slider (.html).

    Raises:
        ParameterError: another suffix.
        OutputError: the file cannot be written.
    """
    check_output(path)
    if path.suffix.lower() == ".html":
        names = [each.name for each in read_all([first, second])]
        report.write(path, [first, second], title=" and ".join(names))
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
        cell: the longest side of each picture in the comparison, in pixels.
        text: font size in pixels.
    """
    both = read_all([first, second])
    parts = [_pictures(both, cell, text), _settings(both, text)]
    chart = Chart([each.total() for each in both], "loss")
    if not chart.is_empty:
        parts.append(curves.picture(chart, width=max(640, parts[0].width), height=20 * text, text=text))
    sheet = PIL.Image.new(
        "RGB", (max(part.width for part in parts), sum(part.height + _GAP for part in parts)), _PAPER
    )
    y = 0
    for part in parts:
        sheet.paste(part, (0, y))
        y += part.height + _GAP
    return sheet


def _pictures(both: Sequence[RunView], cell: int, text: int) -> PIL.Image.Image:
    """Both results beside the content; where the contents differ, each result beside its own content."""
    results = [_picture(each.result, cell) for each in both]
    # A content is as large as the larger result.
    cell = min(cell, max(max(result.size) for result in results))
    contents = [each.recipe.content if each.recipe else None for each in both]
    sources = [None if each is None else _picture(Path(each.path), cell) for each in contents]
    names = [each.name for each in both]
    if contents[0] and contents[1] and contents[0].sha256 == contents[1].sha256:
        return contact_sheet(
            [[sources[0], *results]], column_labels=["content", *names], cell=cell, text=text
        )
    rows = [[source, result] for source, result in zip(sources, results, strict=True)]
    return contact_sheet(rows, row_labels=names, column_labels=["content", "result"], cell=cell, text=text)


def _picture(path: Path | None, side: int) -> PIL.Image.Image:
    found = picture_or_note(path)
    if not isinstance(found, str):
        return found
    blank = PIL.Image.new("RGB", (side, side // 2), "#eeeeee")
    font = PIL.ImageFont.load_default(15)
    words = to_ascii(found)
    while font.getlength(words) > side - 2 * _GAP:
        words = words[:-4].rstrip() + "..."
    PIL.ImageDraw.Draw(blank).text((side // 2, side // 4), words, _INK, font=font, anchor="mm")
    return blank


def _settings(both: Sequence[RunView], text: int) -> PIL.Image.Image:
    """A table of the settings that differ, and of each run's status, iterations, loss and time."""
    rows = [
        (name, *(setting(each.recipe, name) if each.recipe else "" for each in both))
        for name in differing_settings(both)
    ]
    rows.append(("status", *(each.status for each in both)))
    rows.append(("iterations", *(str(each.done) for each in both)))
    for what, show in {"loss": "{:.5g}", "seconds": "{:.1f}"}.items():
        values = [getattr(each.summary, what) if each.summary else None for each in both]
        rows.append((what, *("" if value is None else show.format(value) for value in values)))
    table = [("", *(each.name for each in both)), *rows]
    font = PIL.ImageFont.load_default(text)
    cells = [[to_ascii(cell if len(cell) <= 60 else cell[:57] + "...") for cell in row] for row in table]
    widths = [max(font.getlength(row[at]) for row in cells) + 2 * text for at in range(3)]
    line = 1.5 * text
    sheet = PIL.Image.new("RGB", (round(sum(widths)) + _GAP, round(line * len(cells))), _PAPER)
    pen = PIL.ImageDraw.Draw(sheet)
    for row, y in zip(cells, range(len(cells)), strict=True):
        for at, words in enumerate(row):
            pen.text((_GAP + sum(widths[:at]), (y + 0.5) * line), words, _INK, font=font, anchor="lm")
    return sheet
