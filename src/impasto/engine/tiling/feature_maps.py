"""Whole feature maps, for losses that need all pixels of a layer at once: put together from the tiles' strips.

They are what a picture's size costs such a loss: channels / stride² numbers a pixel, 64 at relu1_1 and 8 at relu4_1.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import torch
from torch import Tensor

from impasto.engine.memory import one_by_one
from impasto.engine.tiling.tiles import Tile
from impasto.geometry import Size, size_of

Observe = Callable[[str, Tensor, int], None]


class Strides(Protocol):
    """What is needed of a network in pieces."""

    def stride(self, layer: str) -> int: ...

    def forward(self, image: Tensor, observe: Observe, /) -> object: ...


class Maps:
    """The maps of some layers, filled tile by tile.

    Args:
        stream: the network.
        layers: those that are kept.
        size: of the picture.

    Attributes:
        of: layer -> (N, C, H / stride, W / stride), once it has been shown.
    """

    def __init__(self, stream: Strides, layers: Collection[str], size: Size) -> None:
        self._stream, self._layers, self._size = stream, frozenset(layers), size
        self.of: dict[str, Tensor] = {}

    def observing(self, piece: Tile, also: Observe | None = None) -> Observe:
        """Takes in what the network shows of a tile, after ``also``."""

        def observe(layer: str, features: Tensor, first: int) -> None:
            if also is not None:
                also(layer, features, first)
            if layer in self._layers:
                self._take(layer, features, first, piece)

        return observe

    def _take(self, layer: str, features: Tensor, first: int, piece: Tile) -> None:
        stride = self._stream.stride(layer)
        inside = piece.inside(stride)
        box = inside.clip(first, features.shape[2])
        own = box.of(features)
        if not own.numel():
            return
        if layer not in self.of:
            n, c = features.shape[:2]
            height, width = self._size
            self.of[layer] = torch.empty(
                (n, c, height // stride, width // stride),
                dtype=features.dtype,
                device=features.device,
                memory_format=torch.channels_last,
            )
        core = piece.core.at(stride).of(self.of[layer])
        row = first + box.top - inside.top
        core[:, :, row : row + own.shape[2]] = own


def gathered(
    stream: Strides, layers: Collection[str], image: Tensor, tiles: Sequence[Tile]
) -> dict[str, Tensor]:
    """The whole maps of a picture, by layer."""
    maps = Maps(stream, layers, size_of(image))
    for piece in one_by_one(tiles):
        stream.forward(piece.shown(image), maps.observing(piece))
    return maps.of
