"""A contact sheet: pictures in rows and columns, with labels, as one picture."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import zip_longest

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from impasto.errors import ParameterError

_PAPER, _INK = (255, 255, 255), (30, 30, 30)
_GAP = 8
_Font = PIL.ImageFont.FreeTypeFont | PIL.ImageFont.ImageFont


def contact_sheet(
    rows: Sequence[Sequence[PIL.Image.Image | None]],
    *,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    title: str = "",
    note: str = "",
    lead: int = 0,
    cell: int = 256,
    text: int = 15,
) -> PIL.Image.Image:
    """Pictures side by side on white. Labels are broken into lines, so that they do not push the columns apart.

    Args:
        rows: pictures of any mode; None leaves a cell empty. Rows may differ in length.
        row_labels: to the left of each row.
        column_labels: above each column.
        title: at the top.
        note: below the title, smaller.
        lead: number of columns to the left of the row labels.
        cell: longest side of a picture in pixels; larger pictures are reduced, smaller ones are not enlarged.
        text: font size in pixels.

    Raises:
        ParameterError: there is no picture.
    """
    pictures = [[None if each is None else thumbnail(each, cell) for each in row] for row in rows]
    if not any(picture for row in pictures for picture in row):
        raise ParameterError("contact sheet: expected at least one picture, got none")
    font = PIL.ImageFont.load_default(text)
    widths = [max((each.width for each in column if each), default=0) for column in zip_longest(*pictures)]
    heads = [
        _lines(label, font, max(width, 4 * text)) for label, width in zip(column_labels, widths, strict=False)
    ]
    sides = [_lines(label, font, max(cell * 3 // 5, 8 * text)) for label in row_labels]
    widths = [max(pair) for pair in zip_longest(widths, (_widest(each, font) for each in heads), fillvalue=0)]
    heights = [max((picture.height for picture in row if picture), default=0) for row in pictures]
    heights = [
        max(pair) for pair in zip_longest(heights, (_line(text) * len(each) for each in sides), fillvalue=0)
    ]
    room = max((_widest(each, font) + _GAP for each in sides), default=0)
    lefts = [_GAP + x + (room if at >= lead else 0) for at, x in enumerate(_starts(widths))]
    large = PIL.ImageFont.load_default(1.4 * text)
    width = max(lefts[-1] + widths[-1] + _GAP, 2 * _GAP + _width(title, large))
    notes = _lines(note, font, max(width, 20 * text) - 2 * _GAP) if note else []
    width = max(width, _widest(notes, font) + 2 * _GAP)
    head = round(2.2 * text) if title else 0
    top = _GAP + head + _line(text) * (len(notes) + max(map(len, heads), default=0))
    top += round(0.3 * text) * (bool(notes) + bool(heads))
    tops = [top + y for y in _starts(heights)]
    sheet = PIL.Image.new("RGB", (width, tops[-1] + heights[-1] + _GAP), _PAPER)
    draw = PIL.ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), to_ascii(title), _INK, font=large)
    _write(draw, notes, (_GAP, _GAP + head), font, "la")
    for lines, left, across in zip(heads, lefts, widths, strict=False):
        y = top - round(0.3 * text) - _line(text) * len(lines)
        _write(draw, lines, (left + across // 2, y), font, "ma")
    for lines, y, down in zip(sides, tops, heights, strict=False):
        place = (
            lefts[lead] - _GAP if lead < len(lefts) else width - _GAP,
            y + (down - _line(text) * len(lines)) // 2,
        )
        _write(draw, lines, place, font, "ra")
    for row, y, down in zip(pictures, tops, heights, strict=True):
        for picture, x, across in zip(row, lefts, widths, strict=False):
            if picture is not None:
                sheet.paste(picture, (x + (across - picture.width) // 2, y + (down - picture.height) // 2))
    return sheet


def tagged(picture: PIL.Image.Image, tag: str, *, text: int = 15) -> PIL.Image.Image:
    """A copy of a picture with a word in its lower left corner, on a dark ground."""
    font = PIL.ImageFont.load_default(text)
    room = picture.width - text
    while len(tag) > 1 and _width(tag, font) > room:
        tag = tag.removesuffix("...")[:-1] + "..." if len(tag) > 4 else tag[:-1]
    made = picture.convert("RGB")
    height = round(1.5 * text)
    draw = PIL.ImageDraw.Draw(made, "RGBA")
    draw.rectangle((0, made.height - height, _width(tag, font) + text, made.height), (0, 0, 0, 170))
    draw.text((text // 2, made.height - height // 2), to_ascii(tag), (255, 255, 255), font=font, anchor="lm")
    return made


def labelled(picture: PIL.Image.Image, label: str, *, text: int = 12) -> PIL.Image.Image:
    """A picture with a line of text below it.

    Args:
        picture: in RGB.
        label: the text.
        text: font size in pixels.
    """
    font = PIL.ImageFont.load_default(text)
    width = max(picture.width, _width(label, font) + 4)
    canvas = PIL.Image.new("RGB", (width, picture.height + round(1.4 * text)), _PAPER)
    canvas.paste(picture, ((width - picture.width) // 2, 0))
    place = (width // 2, canvas.height - round(0.3 * text))
    PIL.ImageDraw.Draw(canvas).text(place, to_ascii(label), _INK, font=font, anchor="ms")
    return canvas


def paragraph(words: str, width: int, *, text: int = 15) -> PIL.Image.Image:
    """Text in lines of at most ``width`` pixels, as a picture of that width."""
    font = PIL.ImageFont.load_default(text)
    lines = _lines(words, font, width - 2 * _GAP)
    made = PIL.Image.new("RGB", (width, _line(text) * len(lines) + _GAP // 2), _PAPER)
    _write(PIL.ImageDraw.Draw(made), lines, (_GAP, 0), font, "la")
    return made


def thumbnail(picture: PIL.Image.Image, side: int) -> PIL.Image.Image:
    """The picture in RGB, transparency on white, reduced to at most ``side`` pixels."""
    scale = min(1.0, side / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        paper = PIL.Image.new("RGBA", picture.size, (*_PAPER, 255))
        picture = PIL.Image.alpha_composite(paper, picture)
    picture = picture.convert("RGB")
    return picture if size == picture.size else picture.resize(size, PIL.Image.Resampling.LANCZOS)


def _width(label: str, font: _Font) -> int:
    return round(font.getlength(to_ascii(label)))


def _widest(lines: Sequence[str], font: _Font) -> int:
    return max((_width(line, font) for line in lines), default=0)


def _lines(label: str, font: _Font, room: float) -> list[str]:
    """The label broken between words into lines of at most ``room`` pixels, where its words allow it."""
    lines = [""]
    for word in to_ascii(label).split():
        joined = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(joined) > room:
            lines.append(word)
        else:
            lines[-1] = joined
    return lines


def _line(text: int) -> int:
    return round(1.25 * text)


def _starts(lengths: Sequence[int]) -> list[int]:
    """Where each of several lengths begins, with gaps between them."""
    return [sum(lengths[:at]) + _GAP * at for at in range(len(lengths))]


def _write(
    draw: PIL.ImageDraw.ImageDraw, lines: Sequence[str], place: tuple[int, int], font: _Font, anchor: str
) -> None:
    x, y = place
    size = font.size if isinstance(font, PIL.ImageFont.FreeTypeFont) else 10
    for at, line in enumerate(lines):
        draw.text((x, y + at * _line(round(size))), line, _INK, font=font, anchor=anchor)


def to_ascii(label: str) -> str:
    """The label in ASCII, since Pillow's built-in font has no other characters."""
    return unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().replace("\n", " ")


def longest_side(pictures: Sequence[PIL.Image.Image]) -> int:
    """The longest side of all pictures: the cell size at which a sheet reduces none."""
    return max(max(picture.size) for picture in pictures)
