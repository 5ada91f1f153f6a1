"""Tiles: a picture cut into pieces on the network's coarsest grid, each with what the network sees around it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from impasto.engine.pyramid import Size


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
    """``core`` is this tile's own; ``outer`` is what the network has to be shown for it."""

    core: Box
    outer: Box

    def inside(self, stride: int) -> Box:
        """The core at a layer, counted from the corner of ``outer``."""
        core, outer = self.core.at(stride), self.outer.at(stride)
        return Box(
            core.top - outer.top, core.bottom - outer.top, core.left - outer.left, core.right - outer.left
        )


def cut(size: Size, side: int, *, reach: int, stride: int) -> list[Tile]:
    """Tiles of about ``side`` pixels that together are a picture of ``size``; 0 cuts nothing.

    Args:
        reach: pixels the network sees beyond a tile.
        stride: of the deepest layer: origins are multiples of it.
    """
    height, width = size
    margin = -(-reach // stride) * stride
    rows, columns = _cuts(height, side, stride), _cuts(width, side, stride)
    return [
        Tile(
            Box(top, bottom, left, right),
            Box(
                max(0, top - margin),
                min(height, bottom + margin),
                max(0, left - margin),
                min(width, right + margin),
            ),
        )
        for top, bottom in rows
        for left, right in columns
    ]


def _cuts(length: int, side: int, stride: int) -> list[tuple[int, int]]:
    if not side or length <= side:
        return [(0, length)]
    count = -(-length // side)
    step = -(-length // (count * stride)) * stride
    return [(first, min(first + step, length)) for first in range(0, length, step)]
