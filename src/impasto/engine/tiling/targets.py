"""Targets of the style terms: summaries and feature maps of the style pictures, computed over all tiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from impasto.engine.cache import LRUCache, digest
from impasto.engine.evaluation import LazyImage
from impasto.engine.memory import iterate_tiles
from impasto.engine.regions import Regions
from impasto.engine.tiling.feature_maps import FeatureMaps
from impasto.engine.tiling.streamed import (
    Result,
    StreamableEncoder,
    StreamedNetwork,
    retry_with_smaller_tiles,
)
from impasto.engine.tiling.tiles import Tile, cut
from impasto.geometry import size_of
from impasto.losses.objective import (
    FeatureMapTarget,
    FeatureMapTerm,
    Guides,
    Objective,
    StyleTerm,
    style_layers,
)
from impasto.losses.summary import Summary, add, blend

Sums = dict[str, Summary]
"""Term name -> the sum so far."""


def style_targets(
    encoder: StreamableEncoder,
    objective: Objective,
    styles: Sequence[LazyImage],
    weights: Sequence[float],
    tile: int,
    cache: LRUCache | None,
    regions: Regions,
) -> dict[str, Summary | FeatureMapTarget]:
    """Term name -> the term's target."""
    needed = style_layers(objective)
    if not needed:
        return {}
    stream = encoder.stream(needed)
    terms = {term.name: (term, term.target_layer) for term in objective if isinstance(term, StyleTerm)}
    map_terms = [term for term in objective if isinstance(term, FeatureMapTerm) and term.of == "style"]
    summed = tuple((name, term.loss, layer) for name, (term, layer) in terms.items())
    needs = (*summed, *((term.name, term.loss, term.target_layer) for term in map_terms))
    found = []
    for number, style in enumerate(styles):
        picture = style()
        guides = regions.style_guides(objective, number, size_of(picture))
        guide_digests = tuple((name, digest(guide)) for name, guide in guides.items())

        def compute(
            side: int,
            picture: Tensor = picture,
            guides: Guides = guides,
            guide_digests: tuple[object, ...] = guide_digests,
        ) -> _Style:
            tiles = cut(size_of(picture), side, reach=stream.reach, stride=stream.deepest_stride)
            return cached(
                cache,
                picture,
                (encoder, "style", needs, tuple(tiles), guide_digests),
                lambda: _style(stream, terms, map_terms, picture, tiles, guides),
                _Style.bytes,
            )

        found.append(retry_with_smaller_tiles(compute, tile, picture)[0])
        del picture
    blended = {
        name: blend([each.sums[name] for each in found], regions.shares(term, weights))
        for name, (term, _) in terms.items()
    }
    return blended | {
        term.name: FeatureMapTarget.combine(
            [each.map_targets[term.name] for each in found], regions.shares(term, weights)
        )
        for term in map_terms
    }


def cached(
    cache: LRUCache | None,
    picture: Tensor,
    settings: tuple[object, ...],
    make: Callable[[], Result],
    size: Callable[[Result], int],
) -> Result:
    """The result of ``make``, from the cache where an equal picture with the same settings is there."""
    return make() if cache is None else cache.get((digest(picture), *settings), make, size)


@dataclass(frozen=True)
class _Style:
    """The targets of one style picture, by term name: summaries, and targets of losses on complete feature maps."""

    sums: Sums
    map_targets: dict[str, FeatureMapTarget]

    def bytes(self) -> int:
        maps = [tensor for each in self.map_targets.values() for tensor in each.pictures]
        sums = [tensor for each in self.sums.values() for tensor in each.sums]
        return sum(tensor.nbytes for tensor in (*maps, *sums))


def _style(
    stream: StreamedNetwork,
    terms: Mapping[str, tuple[StyleTerm, str]],
    map_terms: Sequence[FeatureMapTerm],
    image: Tensor,
    tiles: Sequence[Tile],
    guides: Guides,
) -> _Style:
    """The summaries and the feature map targets of ``image``, over all tiles."""
    sums: Sums = {}
    maps = FeatureMaps(stream, {term.target_layer for term in map_terms}, size_of(image))
    for tile in iterate_tiles(tiles):
        observe = maps.observer(tile, summary_observer(stream, terms, tile, sums, guides))
        stream.forward(tile.input(image), observe)
    return _Style(
        sums,
        {
            term.name: term.make_target(maps.by_layer[term.target_layer], guides.get(term.name))
            for term in map_terms
        },
    )


def summary_observer(
    stream: StreamedNetwork,
    terms: Mapping[str, tuple[StyleTerm, str]],
    tile: Tile,
    sums: Sums,
    guides: Guides,
) -> Callable[[str, Tensor, int], None]:
    """A callback for one tile that adds the summaries of the tile's core to ``sums``."""

    def observe(layer: str, features: Tensor, first: int) -> None:
        stride = stream.stride(layer)
        inside = tile.inside(stride)
        box = inside.clip(first, features.shape[2])
        core = box.of(features)
        if not core.numel():
            return
        rows = slice(first + box.top - inside.top, first + box.bottom - inside.top)
        for name, (term, at) in terms.items():
            if at == layer:
                guide = tile.core.at(stride).of(guides[name])[:, :, rows] if name in guides else None
                summary = term.loss.summarise(core, guide)
                sums[name] = add(sums[name], summary) if name in sums else summary

    return observe
