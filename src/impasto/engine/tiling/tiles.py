"""Tiles: a picture is cut on the network's coarsest grid; each tile has a margin as wide as the receptive field.

A seamless picture is periodic. The margins of its tiles wrap around to the opposite side, even those of a single tile
that covers the whole picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.geometry import Size


@dataclass(frozen=True)
class Box:
    """Rows top … bottom − 1 and columns left … right − 1 of a picture."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, picture: Tensor) -> Tensor:
        return picture[..., self.top : self.bottom, self.left : self.right]

    def at(self, stride: int) -> Box:
        """The same box in the coordinates of a layer with that stride."""
        return Box(self.top // stride, self.bottom // stride, self.left // stride, self.right // stride)

    def clip(self, first: int, rows: int) -> Box:
        """The intersection with the ``rows`` rows from ``first`` on, with rows counted from ``first``."""
        top = min(max(self.top - first, 0), rows)
        return Box(top, max(top, min(self.bottom - first, rows)), self.left, self.right)


@dataclass(frozen=True)
class Tile:
    """One tile.

    Attributes:
        core: the tile's part of the picture; cores do not overlap.
        outer: the core with its margin: the network's input. In a seamless picture it wraps around at the edges.
        seamless: whether the picture is periodic.
    """

    core: Box
    outer: Box
    seamless: bool = False

    def input(self, picture: Tensor) -> Tensor:
        """The network's input for this tile: the picture within ``outer``."""
        if not self.seamless:
            return self.outer.of(picture)
        rows, columns = self._indices(picture)
        return picture.index_select(-2, rows).index_select(-1, columns)

    def accumulate(self, gradient: Tensor, to: Tensor, scale: float) -> None:
        """Add the gradient at the tile's input, times ``scale``, to ``to``, the gradient of the whole picture."""
        if not self.seamless:
            self.outer.of(to).add_(gradient, alpha=scale)
            return
        # A pixel may occur in the input several times.
        rows, columns = self._indices(to)
        folded = gradient.new_zeros((*gradient.shape[:-1], to.shape[-1])).index_add_(-1, columns, gradient)
        to.index_add_(-2, rows, folded.to(to.dtype), alpha=scale)

    def _indices(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        height, width = picture.shape[-2:]
        box = self.outer
        rows = torch.arange(box.top, box.bottom, device=picture.device) % height
        return rows, torch.arange(box.left, box.right, device=picture.device) % width

    def inside(self, stride: int) -> Box:
        """The core in the coordinates of a layer with that stride, relative to the corner of ``outer``."""
        core, outer = self.core.at(stride), self.outer.at(stride)
        return Box(
            core.top - outer.top, core.bottom - outer.top, core.left - outer.left, core.right - outer.left
        )


def cut(size: Size, side: int, *, reach: int, stride: int, seamless: bool = False) -> list[Tile]:
    """Cut a picture of ``size`` into tiles of about ``side`` pixels; a side of 0 gives one tile.

    Args:
        reach: pixels by which the receptive field extends beyond a tile.
        stride: stride of the deepest layer; tile origins are multiples of it.
        seamless: the picture is periodic; both its sides must be multiples of ``stride``.

    Raises:
        ValueError: the sides of a seamless picture are not multiples of ``stride``.
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
