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
    letters = _Letters(text)
    widths = [max((each.width for each in column if each), default=0) for column in zip_longest(*pictures)]
    heights = [max((each.height for each in row if each), default=0) for row in pictures]
    heads = [
        letters.lines(label, max(width, 4 * text))
        for label, width in zip(column_labels, widths, strict=False)
    ]
    sides = [letters.lines(label, max(cell * 3 // 5, 8 * text)) for label in row_labels]
    widths = _larger(widths, [letters.width(each) for each in heads])
    heights = _larger(heights, [letters.height(each) for each in sides])
    room = max((letters.width(each) + _GAP for each in sides), default=0)
    lefts = [x + (room if at >= lead else 0) for at, x in enumerate(_starts(_GAP, widths))]
    top = _GAP + max(map(letters.height, heads), default=0)
    tops = _starts(top, heights)
    sheet = PIL.Image.new("RGB", (lefts[-1] + widths[-1] + _GAP, tops[-1] + heights[-1] + _GAP), _PAPER)
    draw = PIL.ImageDraw.Draw(sheet)
    for lines, x, width in zip(heads, lefts, widths, strict=False):
        letters.write(draw, lines, (x + width // 2, top - letters.height(lines)), "ma")
    for lines, y, height in zip(sides, tops, heights, strict=False):
        letters.write(draw, lines, (lefts[lead] - _GAP, y + (height - letters.height(lines)) // 2), "ra")
    for row, y, height in zip(pictures, tops, heights, strict=True):
        for picture, x, width in zip(row, lefts, widths, strict=False):
            if picture is not None:
                sheet.paste(picture, (x + (width - picture.width) // 2, y + (height - picture.height) // 2))
    return _titled(sheet, title, note, text) if title or note else sheet


def _titled(sheet: PIL.Image.Image, title: str, note: str, text: int) -> PIL.Image.Image:
    """A sheet below its title and a note."""
    large, small = _Letters(1.4 * text), _Letters(text)
    width = max(sheet.width, 2 * _GAP + large.width([title]), 12 * text if note else 0)
    notes = small.lines(note, width - 2 * _GAP) if note else []
    head = round(2.2 * text) if title else 0
    made = PIL.Image.new("RGB", (width, head + small.height(notes) + sheet.height), _PAPER)
    made.paste(sheet, (0, made.height - sheet.height))  # before the letters, which may reach into its edge
    draw = PIL.ImageDraw.Draw(made)
    large.write(draw, [to_ascii(title)], (_GAP, _GAP), "la")
    small.write(draw, notes, (_GAP, _GAP + head), "la")
    return made


def tagged(picture: PIL.Image.Image, tag: str, *, text: int = 15) -> PIL.Image.Image:
    """A copy of a picture with a word in its lower left corner, on a dark ground."""
    font = PIL.ImageFont.load_default(text)
    tag = cut(tag, picture.width - text, text=text)
    made = picture.convert("RGB")
    height = round(1.5 * text)
    draw = PIL.ImageDraw.Draw(made, "RGBA")
    draw.rectangle((0, made.height - height, _width(tag, font) + text, made.height), (0, 0, 0, 170))
    draw.text((text // 2, made.height - height // 2), tag, (255, 255, 255), font=font, anchor="lm")
    return made


def cut(words: str, room: int, *, text: int = 15) -> str:
    """The words in ASCII, cut off with dots where they are wider than ``room`` pixels."""
    font, words = PIL.ImageFont.load_default(text), to_ascii(words)
    if font.getlength(words) <= room:
        return words
    while words and font.getlength(f"{words}...") > room:
        words = words[:-1].rstrip()
    return f"{words}..."


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
    letters = _Letters(text)
    lines = letters.lines(words, width - 2 * _GAP)
    made = PIL.Image.new("RGB", (width, letters.height(lines)), _PAPER)
    letters.write(PIL.ImageDraw.Draw(made), lines, (_GAP, 0), "la")
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


class _Letters:
    """The built-in font at one size, for texts of several lines."""

    def __init__(self, size: float) -> None:
        self._font = PIL.ImageFont.load_default(size)
        self._line = round(1.25 * size)

    def lines(self, label: str, room: float) -> list[str]:
        """The label in ASCII, broken between words into lines of at most ``room`` pixels if no word is wider."""
        lines = [""]
        for word in to_ascii(label).split():
            joined = f"{lines[-1]} {word}".strip()
            if lines[-1] and self._font.getlength(joined) > room:
                lines.append(word)
            else:
                lines[-1] = joined
        return lines

    def width(self, lines: Sequence[str]) -> int:
        return max((_width(line, self._font) for line in lines), default=0)

    def height(self, lines: Sequence[str]) -> int:
        """With a little room below the last line; 0 without lines."""
        return self._line * len(lines) + self._line // 4 if lines else 0

    def write(
        self, draw: PIL.ImageDraw.ImageDraw, lines: Sequence[str], place: tuple[int, int], anchor: str
    ) -> None:
        """``anchor`` is Pillow's, of the first line at ``place``."""
        x, y = place
        for at, line in enumerate(lines):
            draw.text((x, y + at * self._line), line, _INK, font=self._font, anchor=anchor)


def _width(label: str, font: PIL.ImageFont.FreeTypeFont | PIL.ImageFont.ImageFont) -> int:
    return round(font.getlength(to_ascii(label)))


def _larger(sizes: Sequence[int], others: Sequence[int]) -> list[int]:
    return [max(pair) for pair in zip_longest(sizes, others[: len(sizes)], fillvalue=0)]


def _starts(first: int, lengths: Sequence[int]) -> list[int]:
    """Where each of several lengths begins, with gaps between them."""
    return [first + sum(lengths[:at]) + _GAP * at for at in range(len(lengths))]


def to_ascii(label: str) -> str:
    """The label in ASCII, since Pillow's built-in font has no other characters."""
    return unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().replace("\n", " ")


def longest_side(pictures: Sequence[PIL.Image.Image]) -> int:
    """The longest side of all pictures: the cell size at which a sheet reduces none."""
    return max(max(picture.size) for picture in pictures)
