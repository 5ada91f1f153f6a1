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
    cell: int = 256,
    text: int = 15,
) -> PIL.Image.Image:
    """Pictures side by side on white.

    Args:
        rows: pictures of any mode; None leaves a cell empty. Rows may differ in length.
        row_labels: to the left of each row.
        column_labels: above each column.
        title: at the top.
        cell: longest side of a picture in pixels; larger pictures are reduced, smaller ones are not enlarged.
        text: font size in pixels.

    Raises:
        ParameterError: there is no picture.
    """
    pictures = [[None if each is None else thumbnail(each, cell) for each in row] for row in rows]
    if not any(picture for row in pictures for picture in row):
        raise ParameterError("contact sheet: expected at least one picture, got none")
    font = PIL.ImageFont.load_default(text)
    large = PIL.ImageFont.load_default(1.4 * text)
    widths = [
        max(
            *(picture.width for picture in column if picture),
            _width(column_labels[at], font) if at < len(column_labels) else 0,
            0,
        )
        for at, column in enumerate(zip_longest(*pictures))
    ]
    heights = [max((picture.height for picture in row if picture), default=0) for row in pictures]
    left = _GAP + (max(_width(label, font) for label in row_labels) + _GAP if row_labels else 0)
    top = _GAP + (round(2.2 * text) if title else 0) + (round(1.5 * text) if column_labels else 0)
    width = max(left + sum(widths) + _GAP * len(widths), 2 * _GAP + _width(title, large))
    sheet = PIL.Image.new("RGB", (width, top + sum(heights) + _GAP * len(heights)), _PAPER)
    draw = PIL.ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), to_ascii(title), _INK, font=large)
    x = left
    for at, across in enumerate(widths):
        if at < len(column_labels):
            middle = x + across // 2
            draw.text((middle, top - 0.4 * text), to_ascii(column_labels[at]), _INK, font=font, anchor="ms")
        y = top
        for row, down in zip(pictures, heights, strict=True):
            picture = row[at] if at < len(row) else None
            if picture is not None:
                sheet.paste(picture, (x + (across - picture.width) // 2, y + (down - picture.height) // 2))
            y += down + _GAP
        x += across + _GAP
    y = top
    for label, down in zip(row_labels, heights, strict=False):
        draw.text((left - _GAP, y + down // 2), to_ascii(label), _INK, font=font, anchor="rm")
        y += down + _GAP
    return sheet


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


def _width(label: str, font: PIL.ImageFont.FreeTypeFont | PIL.ImageFont.ImageFont) -> int:
    return round(font.getlength(to_ascii(label)))


def to_ascii(label: str) -> str:
    """The label in ASCII, since Pillow's built-in font has no other characters."""
    return unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().replace("\n", " ")


def longest_side(pictures: Sequence[PIL.Image.Image]) -> int:
    """The longest side of all pictures: the cell size at which a sheet reduces none."""
    return max(max(picture.size) for picture in pictures)
