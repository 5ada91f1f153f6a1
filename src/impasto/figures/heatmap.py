"""Matrices and feature maps as pictures: colour mapping, a colour bar, a common size."""

from __future__ import annotations

import math

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import torch
from torch import Tensor

from impasto.figures.colormaps import balance, glow

_INK, _PAPER = (30, 30, 30), (255, 255, 255)

# The quantile of the values at the end of the colour map. A few outliers thus do not darken the rest.
_TOP = 0.99
_TICKS = 4


def colored(values: Tensor, *, signed: bool) -> PIL.Image.Image:
    """(H, W) as a picture in the diverging or the sequential colour map, scaled to the 0.99 quantile."""
    size = values.abs().flatten()
    largest = float(size.kthvalue(max(1, math.ceil(_TOP * size.numel()))).values) or float(size.max()) or 1.0
    return as_picture((balance if signed else glow)(values / largest))


def short_number(value: float) -> str:
    return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"


def as_picture(colors: Tensor) -> PIL.Image.Image:
    """(H, W, 3) in [0, 1] as a picture."""
    return PIL.Image.fromarray((colors * 255.0).round().to(torch.uint8).numpy())


def enlarged(picture: PIL.Image.Image, side: int) -> PIL.Image.Image:
    """The picture enlarged by an integer factor, so that its pixels stay visible, or reduced to ``side``."""
    longest = max(picture.size)
    if longest > side:
        picture = picture.copy()
        picture.thumbnail((side, side), PIL.Image.Resampling.BOX)
        return picture
    factor = side // longest
    return picture.resize((picture.width * factor, picture.height * factor), PIL.Image.Resampling.NEAREST)


def with_bar(picture: PIL.Image.Image, largest: float, *, signed: bool, text: int = 12) -> PIL.Image.Image:
    """The picture with a colour bar on its right."""
    font = PIL.ImageFont.load_default(text)
    bar, gap = round(1.2 * text), text // 2
    places = [tick / _TICKS for tick in range(-_TICKS if signed else 0, _TICKS + 1)]
    labels = [short_number(largest * place * abs(place)) for place in places]
    room = math.ceil(max(font.getlength(label) for label in labels))
    height = max(picture.height, (len(places) + 1) * text)
    canvas = PIL.Image.new("RGB", (picture.width + bar + room + 4 * gap, height + text), _PAPER)
    canvas.paste(picture, (0, text // 2))
    lowest = places[0]
    down = torch.linspace(1.0, lowest, height, dtype=torch.float64)
    colors = (balance if signed else glow)(down)[:, None].expand(height, bar, 3)
    left = picture.width + 2 * gap
    canvas.paste(as_picture(colors), (left, text // 2))
    draw = PIL.ImageDraw.Draw(canvas)
    for place, label in zip(places, labels, strict=True):
        y = text // 2 + round((1.0 - place) / (1.0 - lowest) * (height - 1))
        draw.text((left + bar + gap, y), label, _INK, font=font, anchor="lm")
    return canvas
