"""Tiles: a picture cut into pieces on the network's coarsest grid, each with what the network sees around it.

A seamless picture goes on at its other side: its tiles see that, and even one that is the whole picture has a margin.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.geometry import Size


@dataclass(frozen=True)
class Box:
    """Rows top … bottom and columns left … right of a picture, the second of each not included."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, picture: Tensor) -> Tensor:
        return picture[..., self.top : self.bottom, self.left : self.right]

    def at(self, stride: int) -> Box:
        """The same region of a layer."""
        return Box(self.top // stride, self.bottom // stride, self.left // stride, self.right // stride)

    def clip(self, first: int, rows: int) -> Box:
        """The part of it within ``rows`` rows from ``first``, counted from there."""
        top = min(max(self.top - first, 0), rows)
        return Box(top, max(top, min(self.bottom - first, rows)), self.left, self.right)


@dataclass(frozen=True)
class Tile:
    """``core`` is this tile's own; ``outer`` is what the network has to be shown for it.

    ``outer`` reaches beyond a seamless picture, and there is the other side of it.
    """

    core: Box
    outer: Box
    seamless: bool = False

    def shown(self, picture: Tensor) -> Tensor:
        """The picture within ``outer``."""
        if not self.seamless:
            return self.outer.of(picture)
        rows, columns = self._places(picture)
        return picture.index_select(-2, rows).index_select(-1, columns)

    def accumulate(self, gradient: Tensor, to: Tensor, scale: float) -> None:
        """Adds the gradient by what was shown, times ``scale``, to that of the whole picture."""
        if not self.seamless:
            self.outer.of(to).add_(gradient, alpha=scale)
            return
        # A pixel may have been shown several times.
        rows, columns = self._places(to)
        folded = gradient.new_zeros((*gradient.shape[:-1], to.shape[-1])).index_add_(-1, columns, gradient)
        to.index_add_(-2, rows, folded.to(to.dtype), alpha=scale)

    def _places(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        height, width = picture.shape[-2:]
        box = self.outer
        rows = torch.arange(box.top, box.bottom, device=picture.device) % height
        return rows, torch.arange(box.left, box.right, device=picture.device) % width

    def inside(self, stride: int) -> Box:
        """The core at a layer, counted from the corner of ``outer``."""
        core, outer = self.core.at(stride), self.outer.at(stride)
        return Box(
            core.top - outer.top, core.bottom - outer.top, core.left - outer.left, core.right - outer.left
        )


def cut(size: Size, side: int, *, reach: int, stride: int, seamless: bool = False) -> list[Tile]:
    """Tiles of about ``side`` pixels that together are a picture of ``size``; 0 cuts nothing.

    Args:
        reach: pixels the network sees beyond a tile.
        stride: of the deepest layer: origins are multiples of it.
        seamless: the picture goes on at its other side; both its sides are multiples of ``stride``.
    """
    height, width = size
    if seamless and (height % stride or width % stride):
        raise ValueError(
            f"a seamless picture: expected sides that are multiples of {stride}, got {width}x{height}"
        )
    margin = -(-reach // stride) * stride
    rows, columns = _cuts(height, side, stride), _cuts(width, side, stride)

    def outer(core: Box) -> Box:
        box = Box(core.top - margin, core.bottom + margin, core.left - margin, core.right + margin)
        if seamless:
            return box
        return Box(max(0, box.top), min(height, box.bottom), max(0, box.left), min(width, box.right))

    return [
        Tile(core := Box(top, bottom, left, right), outer(core), seamless)
        for top, bottom in rows
        for left, right in columns
    ]


def _cuts(length: int, side: int, stride: int) -> list[tuple[int, int]]:
    if not side or length <= side:
        return [(0, length)]
    count = -(-length // side)
    step = -(-length // (count * stride)) * stride
    return [(first, min(first + step, length)) for first in range(0, length, step)]
