"""The exact gradient of a whole picture, tile by tile.

Most style losses see the picture through sums over its pixels, and the content loss is such a sum itself. So one
pass over the tiles adds up the sums; the distances are differentiated at the small matrices; a second pass carries
that gradient back through each tile. Losses that need a layer's whole map get it: the first pass puts it together,
and the gradient at the map is carried back in the same way. Tiles are cut on the network's coarsest grid and are
given as many pixels around as a feature can see, so the result is the whole picture's to rounding, without a seam.

One tile that is the whole picture needs the network forward only once; the pieces it is worked through in are then
those of :mod:`impasto.encoders.streaming` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.encoders.streaming import Tape
from impasto.engine.cache import LRUCache
from impasto.engine.evaluation import EvaluateAtTurn, Evaluation, EvaluatorFactory, LazyImage, in_floats
from impasto.engine.memory import one_by_one
from impasto.engine.regions import NONE, Regions
from impasto.engine.tiling.content import ContentTarget
from impasto.engine.tiling.feature_maps import Maps, gathered
from impasto.engine.tiling.streamed import Pieces, Streaming, fitting
from impasto.engine.tiling.targets import Sums, adder, style_targets
from impasto.engine.tiling.tiles import Tile, cut
from impasto.geometry import size_of
from impasto.losses.objective import (
    ContentTerm,
    FeatureMapTarget,
    FeatureMapTerm,
    Guides,
    Objective,
    PhotoTerm,
    PictureTerm,
    StyleTerm,
    layers,
)
from impasto.losses.summary import Summary

# Pixels that terms on the picture itself look at at a time: as many as fit a processor's cache; a GPU is better off
# with few launches.
_BAND = {"cpu": 1 << 16}
_BAND_ELSEWHERE = 1 << 22
CONTENT_BYTES = 1_000_000_000


@dataclass(frozen=True)
class _Slope:
    """A style term's derivative.

    Attributes:
        summary: the kind of summary.
        by_sums: the derivative by each of its sums; None where the loss does not depend on one.
        guide: of the term's region.
    """

    summary: type[Summary]
    by_sums: Sequence[Tensor | None]
    guide: Tensor | None


def tiled(
    encoder: Streaming,
    objective: Objective,
    style_weights: Sequence[float],
    white_level: float = 1.0,
    *,
    tile: int = 0,
    content_bytes: int = CONTENT_BYTES,
    kept: LRUCache | None = None,
    regions: Regions = NONE,
    seamless: bool = False,
) -> EvaluatorFactory:
    """The evaluation of an objective in pieces; :func:`impasto.engine.evaluation.whole` is its plain twin.

    Args:
        encoder: the network.
        objective: what to evaluate.
        style_weights: a share for each style; they sum to 1.
        white_level: what white is.
        tile: side of the tiles in pixels; 0 cuts nothing.
        content_bytes: memory for the content's features. Where they would take more they are computed at every
            evaluation, a quarter more work, from the content kept at half the precision.
        kept: what the pictures are compared with, for others of this encoder that need the same.
        regions: where the style terms of a region look.
        seamless: the picture goes on at its other side, so that copies of it can be laid side by side; its sides are
            multiples of the deepest layer's stride, and the objective has no term on the picture itself.
    """

    def prepare(content: LazyImage, styles: Sequence[LazyImage]) -> EvaluateAtTurn:
        with torch.no_grad():
            wanted = style_targets(encoder, objective, styles, style_weights, tile, kept, regions)
            picture = content()
            guides = regions.guides(objective, size_of(picture))
            settings = _Settings(white_level, content_bytes, kept, seamless)
            made, _ = fitting(
                lambda side: _Tiled(encoder, objective, picture, wanted, guides, side, settings),
                tile,
                picture,
            )
            return made

    return prepare


@dataclass(frozen=True)
class _Settings:
    """How a picture is evaluated.

    Attributes:
        white_level: what white is.
        content_bytes: memory for the content's features.
        kept: what pictures have been compared with.
        seamless: the picture goes on at its other side.
    """

    white_level: float
    content_bytes: int
    kept: LRUCache | None
    seamless: bool


class _Tiled:
    """Evaluates one objective for one content picture."""

    def __init__(
        self,
        encoder: Streaming,
        objective: Objective,
        content: Tensor,
        style_targets: Mapping[str, Summary | FeatureMapTarget],
        guides: Guides,
        side: int,
        settings: _Settings,
    ) -> None:
        self._objective = objective
        self._targets = {**style_targets}
        self._guides = guides
        self._seamless = settings.seamless
        self._white_level = settings.white_level
        self._style = {term.name: (term, term.layer) for term in objective if isinstance(term, StyleTerm)}
        self._whole = [term for term in objective if isinstance(term, FeatureMapTerm)]
        needed = layers(objective)
        self._stream = encoder.stream(needed) if needed else None
        self._side = side
        self._size = size_of(content)
        seen = any(isinstance(term, PhotoTerm) for term in objective)
        self._photo = content if seen else content.new_empty(0, 3, *self._size)
        self._keep_maps(encoder, content)
        self._content = ContentTarget(
            encoder,
            [term for term in objective if isinstance(term, ContentTerm)],
            content,
            self._tiles,
            most=settings.content_bytes,
            kept=settings.kept,
        )

    @property
    def _tiles(self) -> list[Tile]:
        if self._stream is None:
            return []
        stream = self._stream
        return cut(
            self._size,
            self._side,
            reach=stream.reach,
            stride=stream.deepest_stride,
            seamless=self._seamless,
        )

    def _keep_maps(self, encoder: Streaming, content: Tensor) -> None:
        """Finds what is compared with by losses of the content's whole maps."""
        terms = [term for term in self._whole if term.of == "content"]
        if not terms:
            return
        found = {term.layer for term in terms}
        maps = gathered(encoder.stream(found), found, content, self._tiles)
        self._targets |= {term.name: term.keep(maps[term.layer]) for term in terms}

    def __call__(self, x: Tensor, *, with_gradient: bool = True, sample_index: int = 0) -> Evaluation:
        with torch.no_grad():
            evaluation, self._side = fitting(
                lambda side: self._at(x.detach(), side, with_gradient, sample_index), self._side, x
            )
        return evaluation

    def _at(self, x: Tensor, side: int, with_gradient: bool, sample_index: int) -> Evaluation:
        self._side = side
        gradient = torch.zeros_like(x) if with_gradient else x.new_empty(0)
        values: dict[str, Tensor] = {}
        if self._stream is not None and with_gradient:
            tape, sums, maps = self._summed(self._stream, x)
            slopes = self._distances(sums, values)
            beside = self._differentiated(maps, values, sample_index)
            for piece in one_by_one(self._tiles):
                tape = tape or self._forward(self._stream, x, piece, lambda *_: None, way_back=True)
                inject = self._injector(self._stream, piece, slopes, beside, values)
                more = self._stream.backward(tape, inject)
                piece.accumulate(more, gradient, 1.0 / self._white_level)
                tape = None
        elif self._stream is not None:
            sums, maps = self._values(self._stream, x, values)
            self._distances(sums, values)
            for term in self._whole:
                guide = self._guides.get(term.name)
                values[term.name] = term.value(maps[term.layer], self._compared(term), sample_index, guide)
        self._by_bands(x, gradient if with_gradient else None, values)
        total, terms = in_floats({term.name: values[term.name].sum() for term in self._objective})
        return Evaluation(total, gradient, terms)

    def _forward(
        self,
        stream: Pieces,
        x: Tensor,
        piece: Tile,
        observe: Callable[[str, Tensor, int], None],
        *,
        way_back: bool = False,
    ) -> Tape:
        return stream.forward(piece.shown(x) / self._white_level, observe, way_back=way_back)

    def _maps(self, stream: Pieces) -> Maps:
        return Maps(stream, {term.layer for term in self._whole}, self._size)

    def _summed(self, stream: Pieces, x: Tensor) -> tuple[Tape | None, Sums, dict[str, Tensor]]:
        """The summaries and whole maps of the picture and, if it is one tile, what its backward pass needs."""
        sums: Sums = {}
        maps = self._maps(stream)
        tiles = self._tiles
        tape: Tape | None = None
        for piece in one_by_one(tiles if self._style or self._whole or len(tiles) == 1 else ()):
            observe = maps.observing(piece, adder(stream, self._style, piece, sums, self._guides))
            tape = self._forward(stream, x, piece, observe, way_back=len(tiles) == 1)
        return tape if len(tiles) == 1 else None, sums, maps.of

    def _values(self, stream: Pieces, x: Tensor, values: dict[str, Tensor]) -> tuple[Sums, dict[str, Tensor]]:
        """The summaries and whole maps of the picture; adds up the content terms, in one pass."""
        sums: Sums = {}
        maps = self._maps(stream)
        for piece in one_by_one(self._tiles):
            add = maps.observing(piece, adder(stream, self._style, piece, sums, self._guides))
            self._forward(stream, x, piece, self._content.comparing(piece, values, add))
        return sums, maps.of

    def _distances(self, sums: Sums, values: dict[str, Tensor]) -> dict[str, list[_Slope]]:
        """Layer -> the derivative of each term there by its summary; fills in the terms' values."""
        slopes: dict[str, list[_Slope]] = {}
        for name, (term, layer) in self._style.items():
            at, target = sums[name], self._targets[name]
            assert not isinstance(target, FeatureMapTarget)
            with torch.enable_grad():
                leaves = tuple(each.detach().requires_grad_() for each in at.sums)
                value = term.value(at.with_sums(leaves, at.count), target, self._pixels(layer))
                by_sums = torch.autograd.grad(value.sum(), leaves, allow_unused=True)
            values[name] = value.detach()
            slopes.setdefault(layer, []).append(_Slope(type(at), by_sums, self._guides.get(name)))
        return slopes

    def _pixels(self, layer: str) -> int:
        """Of the layer, over the whole picture."""
        assert self._stream is not None
        stride = self._stream.stride(layer)
        height, width = self._size
        return (height // stride) * (width // stride)

    def _compared(self, term: FeatureMapTerm) -> FeatureMapTarget:
        found = self._targets[term.name]
        assert isinstance(found, FeatureMapTarget)
        return found

    def _differentiated(
        self, maps: dict[str, Tensor], values: dict[str, Tensor], sample_index: int
    ) -> dict[str, Tensor]:
        """Layer -> the derivative by its whole map; fills in the terms' values. The maps are used up."""
        slopes: dict[str, Tensor] = {}
        for layer in list(maps):
            with torch.enable_grad():
                at = maps.pop(layer).requires_grad_()
                for term in self._whole:
                    if term.layer != layer:
                        continue
                    value = term.value(at, self._compared(term), sample_index, self._guides.get(term.name))
                    (with_gradient,) = torch.autograd.grad(value.sum(), at)
                    slopes[layer] = slopes[layer] + with_gradient if layer in slopes else with_gradient
                    values[term.name] = value.detach()
        return slopes

    def _injector(
        self,
        stream: Pieces,
        piece: Tile,
        slopes: Mapping[str, list[_Slope]],
        beside: Mapping[str, Tensor],
        values: dict[str, Tensor],
    ) -> Callable[[str, Tensor, int, Tensor | None], Tensor]:
        """Adds each layer's gradient within a tile's core, and the content terms' values."""
        wanted = self._content.features(piece)

        def inject(layer: str, features: Tensor, first: int, gradient: Tensor | None) -> Tensor:
            inside = piece.inside(stream.stride(layer))
            box = inside.clip(first, features.shape[2])
            own, row = box.of(features), first + box.top - inside.top
            if own.shape == features.shape:
                return add(layer, own, row, gradient)
            if gradient is None:
                gradient = torch.zeros_like(features)
            if own.numel():
                mine = box.of(gradient)
                found = add(layer, own, row, mine)
                if found.data_ptr() != mine.data_ptr():  # else it was added to where it lies
                    mine.copy_(found)
            return gradient

        def add(layer: str, features: Tensor, row: int, gradient: Tensor | None) -> Tensor:
            core, rows = piece.core.at(stream.stride(layer)), slice(row, row + features.shape[2])
            for slope in slopes.get(layer, ()):
                weight = None if slope.guide is None else core.of(slope.guide)[:, :, rows]
                gradient = slope.summary.add_gradient(features, slope.by_sums, gradient, weight)
            if layer in beside:
                more = core.of(beside[layer])[:, :, rows]
                gradient = more if gradient is None else gradient + more
            for term in self._content.terms:
                if term.layer != layer:
                    continue
                more = 2.0 * self._content.differ(term, features, wanted[layer], row, values)
                more = more.to(features.dtype)
                gradient = more if gradient is None else gradient + more
            if gradient is None:
                raise TypeError(f"no term has layer {layer}")
            return gradient

        return inject

    def _by_bands(self, x: Tensor, gradient: Tensor | None, values: dict[str, Tensor]) -> None:
        """Adds the terms on the picture itself, by bands of rows."""
        height, width = size_of(x)
        rows = max(1, _BAND.get(x.device.type, _BAND_ELSEWHERE) // width)
        for term in self._objective:
            if not isinstance(term, PictureTerm):
                continue
            for first in range(0, height, rows):
                last = min(first + rows, height)
                own = slice(first, min(last + term.below, height))
                with torch.enable_grad():
                    leaf = (x[:, :, own] / self._white_level).requires_grad_()
                    edges = (first == 0, last == height)
                    value = term.piece(leaf, self._photo[:, :, own], edges, (height, width))
                    if gradient is not None:
                        more = torch.autograd.grad(value.sum(), leaf)[0]
                        gradient[:, :, own].add_(more, alpha=1.0 / self._white_level)
                value = value.detach()
                values[term.name] = values.get(term.name, torch.zeros_like(value)) + value
