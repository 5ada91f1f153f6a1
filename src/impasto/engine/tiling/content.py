"""Targets of the content terms: the content's features, stored or recomputed tile by tile."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.engine.cache import LRUCache
from impasto.engine.memory import iterate_tiles
from impasto.engine.tiling.streamed import StreamableEncoder
from impasto.engine.tiling.targets import cached
from impasto.engine.tiling.tiles import Tile
from impasto.geometry import size_of
from impasto.losses.content import energy
from impasto.losses.objective import ContentTerm


@dataclass(frozen=True)
class _ContentFeatures:
    """The content's features at some layers.

    Attributes:
        elements: layer -> number of elements of its features.
        energies: layer -> sum of their squares.
        features: layer -> the features; empty where they would take too much memory.
    """

    elements: Mapping[str, int]
    energies: Mapping[str, Tensor]
    features: Mapping[str, Tensor]


class ContentTarget:
    """The content's features, for the content terms of an objective.

    Args:
        encoder: the network.
        terms: the content terms; with none, nothing is computed.
        content: the picture, (1, 3, H, W) in [0, 1].
        tiles: the tiles of a picture of that size.
        max_bytes: memory for the features. If they take more, they are recomputed at every evaluation, from the
            content stored in half precision.
        cache: targets of earlier objectives, to share for equal contents.
    """

    def __init__(
        self,
        encoder: StreamableEncoder,
        terms: Sequence[ContentTerm],
        content: Tensor,
        tiles: Sequence[Tile],
        *,
        max_bytes: int,
        cache: LRUCache | None,
    ) -> None:
        self.terms = terms
        self._scales: dict[str, Tensor] = {}
        self._features: Mapping[str, Tensor] = {}
        self._picture = content.new_empty(0)
        if not terms:
            return
        layers = tuple(dict.fromkeys(term.layer for term in terms))
        self._stream = encoder.stream(layers)
        self._picture = content
        found = cached(
            cache,
            content,
            (encoder, "content", layers, tuple(tiles), max_bytes),
            lambda: self._compute(tiles, max_bytes),
            lambda found: sum(features.nbytes for features in found.features.values()),
        )
        for term in terms:
            scale = term.loss.scale(found.elements[term.layer], found.energies[term.layer])
            self._scales[term.name] = term.weight * torch.ones_like(found.energies[term.layer]) * scale
        if found.features:
            self._features, self._picture = found.features, content.new_empty(0)
        elif content.dtype == torch.float32:
            self._picture = content.to(torch.float16)

    def features(self, tile: Tile) -> dict[str, Tensor]:
        """The features of a tile's core, by layer."""
        if not self.terms:
            return {}
        stream = self._stream
        if self._features:
            return {
                layer: tile.core.at(stream.stride(layer)).of(features)
                for layer, features in self._features.items()
            }
        strips: dict[str, list[Tensor]] = {}

        def observe(layer: str, features: Tensor, first: int) -> None:
            core = tile.inside(stream.stride(layer)).clip(first, features.shape[2]).of(features)
            # A copy, since a strip is a view that would keep its larger map in memory.
            strips.setdefault(layer, []).append(core.clone())

        outer = tile.input(self._picture)
        stream.forward(outer.to(torch.promote_types(outer.dtype, torch.float32)), observe)
        return {layer: torch.cat(parts, 2) for layer, parts in strips.items()}

    def add_value(
        self, term: ContentTerm, features: Tensor, target: Tensor, row: int, values: dict[str, Tensor]
    ) -> Tensor:
        """Add a term's value on some rows to ``values``.

        Args:
            features: rows of the painted picture's features.
            target: the content's features in the tile.
            row: the row of ``target`` at which ``features`` begin.

        Returns:
            half the derivative by ``features``: the scaled difference.
        """
        scale = self._scales[term.name]
        difference = features.to(scale.dtype) - target[:, :, row : row + features.shape[2]]
        value = scale * energy(difference)
        values[term.name] = values.get(term.name, torch.zeros_like(value)) + value
        return difference.mul_(scale.view(-1, 1, 1, 1))

    def observer(
        self, tile: Tile, values: dict[str, Tensor], also: Callable[[str, Tensor, int], None]
    ) -> Callable[[str, Tensor, int], None]:
        """A callback for one tile: calls ``also``, then adds the terms' values on the tile's core to ``values``."""
        targets = self.features(tile)

        def observe(layer: str, features: Tensor, first: int) -> None:
            also(layer, features, first)
            if layer not in targets:
                return
            inside = tile.inside(self._stream.stride(layer))
            box = inside.clip(first, features.shape[2])
            for term in self.terms:
                if term.layer == layer and box.bottom > box.top:
                    row = first + box.top - inside.top
                    self.add_value(term, box.of(features), targets[layer], row, values)

        return observe

    def _compute(self, tiles: Sequence[Tile], max_bytes: int) -> _ContentFeatures:
        elements: dict[str, int] = {}
        energies: dict[str, Tensor] = {}
        features: dict[str, Tensor] = {}
        height, width = size_of(self._picture)
        for tile in iterate_tiles(tiles):
            for layer, target in self.features(tile).items():
                stride = self._stream.stride(layer)
                n, c = target.shape[:2]
                shape = (n, c, height // stride, width // stride)
                elements[layer] = math.prod(shape[1:])
                energies[layer] = energies.get(layer, 0) + energy(target)
                if layer not in features:
                    features[layer] = torch.empty(
                        shape, dtype=target.dtype, device=target.device, memory_format=torch.channels_last
                    )
                if sum(each.nbytes for each in features.values()) <= max_bytes:
                    tile.core.at(stride).of(features[layer]).copy_(target)
        if sum(each.nbytes for each in features.values()) > max_bytes:
            features = {}
        return _ContentFeatures(elements, energies, features)
