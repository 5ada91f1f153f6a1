"""A sample sheet: one row per content, one column per style, each content in each style."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from impasto.feedforward.network import Network
from impasto.feedforward.training.archive import Picture
from impasto.files import replacing

_GAP = 6


def sheet(
    network: Network, contents: Mapping[str, Picture], styles: Mapping[str, Picture], side: int
) -> Picture:
    """Stylise each content with each style, on a white page with the originals to the left and above.

    Args:
        contents, styles: (H, W, 3) uint8.
        side: long side of every picture, in pixels.
    """
    device = next(network.parameters()).device
    manners = [_fitted(style, side) for style in styles.values()]
    rows: list[list[Picture | None]] = [[None, *manners]]
    with torch.no_grad():
        codes = [network.encode(_tensor(style).to(device)) for style in manners]
        for content in contents.values():
            picture = _fitted(content, side)
            paintings = [_picture(network(_tensor(picture).to(device), code)) for code in codes]
            rows.append([picture, *paintings])
    return _laid_out(rows, side)


def write(path: Path, picture: Picture, *, quality: int = 88) -> None:
    """Write a JPEG, atomically.

    Raises:
        OSError: the file cannot be written.
    """
    with replacing(path) as file:
        PIL.Image.fromarray(picture).save(file, "jpeg", quality=quality)


def _fitted(picture: Picture, side: int) -> Picture:
    image = PIL.Image.fromarray(picture)
    scale = side / max(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return np.asarray(image.resize(size, PIL.Image.Resampling.LANCZOS))


def _laid_out(rows: list[list[Picture | None]], side: int) -> Picture:
    heights = [max(p.shape[0] for p in row if p is not None) for row in rows]
    width = len(rows[0]) * (side + _GAP)
    page = np.full((sum(heights) + _GAP * len(rows), width, 3), 255, np.uint8)
    top = 0
    for row, height in zip(rows, heights, strict=True):
        for column, picture in enumerate(row):
            if picture is not None:
                left = column * (side + _GAP)
                page[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        top += height + _GAP
    return page


def _tensor(picture: Picture) -> Tensor:
    return torch.tensor(picture).permute(2, 0, 1)[None].float() / 255.0


def _picture(painted: Tensor) -> Picture:
    pixels = (painted[0].float().clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)
    return pixels.permute(1, 2, 0).cpu().numpy()
