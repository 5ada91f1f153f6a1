"""What a picture's style comes to, for the style terms to compare with: summaries and maps, over all its tiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from impasto.engine.cache import LRUCache, digest
from impasto.engine.evaluation import LazyImage
from impasto.engine.memory import one_by_one
from impasto.engine.regions import Regions
from impasto.engine.tiling.feature_maps import Maps
from impasto.engine.tiling.streamed import Pieces, Result, Streaming, fitting
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
from impasto.losses.summary import Summary, added, blend

Sums = dict[str, Summary]
"""Term name -> what has been added up for it."""


def style_targets(
    encoder: Streaming,
    objective: Objective,
    styles: Sequence[LazyImage],
    weights: Sequence[float],
    tile: int,
    kept: LRUCache | None,
    regions: Regions,
) -> dict[str, Summary | FeatureMapTarget]:
    """Term name -> what the term compares with."""
    needed = style_layers(objective)
    if not needed:
        return {}
    stream = encoder.stream(needed)
    terms = {term.name: (term, term.target_layer) for term in objective if isinstance(term, StyleTerm)}
    wholes = [term for term in objective if isinstance(term, FeatureMapTerm) and term.of == "style"]
    summed = tuple((name, term.loss, layer) for name, (term, layer) in terms.items())
    needs = (*summed, *((term.name, term.loss, term.target_layer) for term in wholes))
    found = []
    for number, style in enumerate(styles):
        picture = style()
        guides = regions.style_guides(objective, number, size_of(picture))
        marks = tuple((name, digest(guide)) for name, guide in guides.items())

        def look(
            side: int,
            picture: Tensor = picture,
            guides: Guides = guides,
            marks: tuple[object, ...] = marks,
        ) -> _Style:
            tiles = cut(size_of(picture), side, reach=stream.reach, stride=stream.deepest_stride)
            return once(
                kept,
                picture,
                (encoder, "style", needs, tuple(tiles), marks),
                lambda: _style(stream, terms, wholes, picture, tiles, guides),
                _Style.bytes,
            )

        found.append(fitting(look, tile, picture)[0])
        del picture
    blended = {
        name: blend([each.sums[name] for each in found], regions.shares(term, weights))
        for name, (term, _) in terms.items()
    }
    return blended | {
        term.name: FeatureMapTarget.together(
            [each.compared[term.name] for each in found], regions.shares(term, weights)
        )
        for term in wholes
    }


def once(
    kept: LRUCache | None,
    picture: Tensor,
    settings: tuple[object, ...],
    make: Callable[[], Result],
    size: Callable[[Result], int],
) -> Result:
    """What is made of a picture, or was made of an equal one with the same settings."""
    return make() if kept is None else kept.get((digest(picture), *settings), make, size)


@dataclass(frozen=True)
class _Style:
    """What terms compare with, by name: summaries, and what is kept of whole maps."""

    sums: Sums
    compared: dict[str, FeatureMapTarget]

    def bytes(self) -> int:
        kept = [picture for each in self.compared.values() for picture in each.pictures]
        sums = [tensor for each in self.sums.values() for tensor in each.sums]
        return sum(tensor.nbytes for tensor in (*kept, *sums))


def _style(
    stream: Pieces,
    terms: Mapping[str, tuple[StyleTerm, str]],
    wholes: Sequence[FeatureMapTerm],
    image: Tensor,
    tiles: Sequence[Tile],
    guides: Guides,
) -> _Style:
    """The summaries of ``image`` for terms at layers, and what is kept of its whole maps, over all tiles."""
    sums: Sums = {}
    maps = Maps(stream, {term.target_layer for term in wholes}, size_of(image))
    for piece in one_by_one(tiles):
        stream.forward(piece.shown(image), maps.observing(piece, adder(stream, terms, piece, sums, guides)))
    return _Style(
        sums,
        {term.name: term.keep(maps.of[term.target_layer], guides.get(term.name)) for term in wholes},
    )


def adder(
    stream: Pieces, terms: Mapping[str, tuple[StyleTerm, str]], piece: Tile, sums: Sums, guides: Guides
) -> Callable[[str, Tensor, int], None]:
    """Observes one tile and adds its summaries to ``sums``."""

    def observe(layer: str, features: Tensor, first: int) -> None:
        stride = stream.stride(layer)
        inside = piece.inside(stride)
        box = inside.clip(first, features.shape[2])
        own = box.of(features)
        if not own.numel():
            return
        rows = slice(first + box.top - inside.top, first + box.bottom - inside.top)
        for name, (term, at) in terms.items():
            if at == layer:
                guide = piece.core.at(stride).of(guides[name])[:, :, rows] if name in guides else None
                summary = term.loss.summarise(own, guide)
                sums[name] = added(sums[name], summary) if name in sums else summary

    return observe
