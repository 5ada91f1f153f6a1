"""What the content terms compare with: the content's features, kept or computed again tile by tile."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.engine.cache import LRUCache
from impasto.engine.memory import one_by_one
from impasto.engine.tiling.streamed import Streaming
from impasto.engine.tiling.targets import once
from impasto.engine.tiling.tiles import Tile
from impasto.geometry import size_of
from impasto.losses.content import energy
from impasto.losses.objective import ContentTerm


@dataclass(frozen=True)
class _Seen:
    """The content as the network sees it.

    Attributes:
        elements: layer -> numbers in its features.
        energies: layer -> the sum of their squares.
        features: layer -> they themselves; empty where they would be too large.
    """

    elements: Mapping[str, int]
    energies: Mapping[str, Tensor]
    features: Mapping[str, Tensor]


class ContentTarget:
    """The content's features, for the content terms of an objective.

    Args:
        encoder: the network.
        terms: the content terms; none needs nothing.
        content: the picture, (1, 3, H, W) in [0, 1].
        tiles: that pictures of its size are cut into.
        most: bytes for the features. Where they would take more they are computed at every evaluation, from the
            content kept at half the precision.
        kept: what other objectives have left of the same content.
    """

    def __init__(
        self,
        encoder: Streaming,
        terms: Sequence[ContentTerm],
        content: Tensor,
        tiles: Sequence[Tile],
        *,
        most: int,
        kept: LRUCache | None,
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
        seen = once(
            kept,
            content,
            (encoder, "content", layers, tuple(tiles), most),
            lambda: self._seen(tiles, most),
            lambda seen: sum(features.nbytes for features in seen.features.values()),
        )
        for term in terms:
            scale = term.loss.scale(seen.elements[term.layer], seen.energies[term.layer])
            self._scales[term.name] = term.weight * torch.ones_like(seen.energies[term.layer]) * scale
        if seen.features:
            self._features, self._picture = seen.features, content.new_empty(0)
        elif content.dtype == torch.float32:
            self._picture = content.to(torch.float16)

    def features(self, piece: Tile) -> dict[str, Tensor]:
        """The features of a tile's core, by layer."""
        if not self.terms:
            return {}
        stream = self._stream
        if self._features:
            return {
                layer: piece.core.at(stream.stride(layer)).of(features)
                for layer, features in self._features.items()
            }
        strips: dict[str, list[Tensor]] = {}

        def observe(layer: str, features: Tensor, first: int) -> None:
            own = piece.inside(stream.stride(layer)).clip(first, features.shape[2]).of(features)
            # A strip is a view of a map with rows beyond it.
            strips.setdefault(layer, []).append(own.clone())

        outer = piece.shown(self._picture)
        stream.forward(outer.to(torch.promote_types(outer.dtype, torch.float32)), observe)
        return {layer: torch.cat(parts, 2) for layer, parts in strips.items()}

    def differ(
        self, term: ContentTerm, features: Tensor, wanted: Tensor, row: int, values: dict[str, Tensor]
    ) -> Tensor:
        """Add a term's value of some rows to ``values``; returns their difference, scaled: half its derivative.

        Args:
            features: of the painted picture.
            wanted: the content's, of the tile.
            row: of ``wanted`` that ``features`` begin at.
        """
        scale = self._scales[term.name]
        difference = features.to(scale.dtype) - wanted[:, :, row : row + features.shape[2]]
        value = scale * energy(difference)
        values[term.name] = values.get(term.name, torch.zeros_like(value)) + value
        return difference.mul_(scale.view(-1, 1, 1, 1))

    def comparing(
        self, piece: Tile, values: dict[str, Tensor], add: Callable[[str, Tensor, int], None]
    ) -> Callable[[str, Tensor, int], None]:
        """Observes one tile: calls ``add``, and adds the terms' values of the tile's core to ``values``."""
        wanted = self.features(piece)

        def observe(layer: str, features: Tensor, first: int) -> None:
            add(layer, features, first)
            if layer not in wanted:
                return
            inside = piece.inside(self._stream.stride(layer))
            box = inside.clip(first, features.shape[2])
            for term in self.terms:
                if term.layer == layer and box.bottom > box.top:
                    row = first + box.top - inside.top
                    self.differ(term, box.of(features), wanted[layer], row, values)

        return observe

    def _seen(self, tiles: Sequence[Tile], most: int) -> _Seen:
        elements: dict[str, int] = {}
        energies: dict[str, Tensor] = {}
        features: dict[str, Tensor] = {}
        height, width = size_of(self._picture)
        for piece in one_by_one(tiles):
            for layer, target in self.features(piece).items():
                stride = self._stream.stride(layer)
                n, c = target.shape[:2]
                shape = (n, c, height // stride, width // stride)
                elements[layer] = math.prod(shape[1:])
                energies[layer] = energies.get(layer, 0) + energy(target)
                if layer not in features:
                    features[layer] = torch.empty(
                        shape, dtype=target.dtype, device=target.device, memory_format=torch.channels_last
                    )
                if sum(each.nbytes for each in features.values()) <= most:
                    piece.core.at(stride).of(features[layer]).copy_(target)
        if sum(each.nbytes for each in features.values()) > most:
            features = {}
        return _Seen(elements, energies, features)
