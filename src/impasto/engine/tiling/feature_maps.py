"""Complete feature maps, assembled from the strips of all tiles, for losses that need all pixels of a layer at once.

Such a map takes channels / stride² values per pixel of the picture: 64 at relu1_1 and 8 at relu4_1.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import torch
from torch import Tensor

from impasto.engine.memory import iterate_tiles
from impasto.engine.tiling.tiles import Tile
from impasto.geometry import Size, size_of

Observe = Callable[[str, Tensor, int], None]


class StridedNetwork(Protocol):
    """A network that is run in strips."""

    def stride(self, layer: str) -> int: ...

    def forward(self, image: Tensor, observe: Observe, /) -> object: ...


class FeatureMaps:
    """The complete maps of some layers, filled tile by tile.

    Args:
        stream: the network.
        layers: the layers to collect.
        size: size of the picture.

    Attributes:
        by_layer: layer -> (N, C, H / stride, W / stride); a layer is missing until its first strip.
    """

    def __init__(self, stream: StridedNetwork, layers: Collection[str], size: Size) -> None:
        self._stream, self._layers, self._size = stream, frozenset(layers), size
        self.by_layer: dict[str, Tensor] = {}

    def observer(self, tile: Tile, also: Observe | None = None) -> Observe:
        """A callback for one tile: calls ``also``, then stores the strip."""

        def observe(layer: str, features: Tensor, first: int) -> None:
            if also is not None:
                also(layer, features, first)
            if layer in self._layers:
                self._store(layer, features, first, tile)

        return observe

    def _store(self, layer: str, features: Tensor, first: int, tile: Tile) -> None:
        stride = self._stream.stride(layer)
        inside = tile.inside(stride)
        box = inside.clip(first, features.shape[2])
        strip = box.of(features)
        if not strip.numel():
            return
        if layer not in self.by_layer:
            n, c = features.shape[:2]
            height, width = self._size
            self.by_layer[layer] = torch.empty(
                (n, c, height // stride, width // stride),
                dtype=features.dtype,
                device=features.device,
                memory_format=torch.channels_last,
            )
        core = tile.core.at(stride).of(self.by_layer[layer])
        row = first + box.top - inside.top
        core[:, :, row : row + strip.shape[2]] = strip


def compute_maps(
    stream: StridedNetwork, layers: Collection[str], image: Tensor, tiles: Sequence[Tile]
) -> dict[str, Tensor]:
    """The complete maps of a picture, by layer."""
    maps = FeatureMaps(stream, layers, size_of(image))
    for tile in iterate_tiles(tiles):
        stream.forward(tile.input(image), maps.observer(tile))
    return maps.by_layer
