"""The exact loss and gradient of a picture, computed tile by tile.

Most style losses depend on the picture only through sums over its pixels, and the content loss is itself such a sum.
So a first pass over the tiles accumulates the sums; the distances are differentiated with respect to the sums, which
are small matrices; a second pass backpropagates these derivatives through each tile. For losses that need the
complete map of a layer, the first pass assembles the map, and the second backpropagates the gradient at the map.
Tiles are cut on the network's coarsest grid, with a margin as wide as the receptive field, so the result equals that
of the undivided picture to rounding, without seams.

A single tile that covers the whole picture needs only one forward pass; the strips of
:mod:`impasto.encoders.streaming` then bound the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.encoders.streaming import Tape
from impasto.engine.cache import LRUCache
from impasto.engine.evaluation import EvaluateSample, Evaluation, EvaluatorFactory, LazyImage, in_floats
from impasto.engine.memory import iterate_tiles
from impasto.engine.regions import NONE, Regions
from impasto.engine.tiling.content import ContentTarget
from impasto.engine.tiling.feature_maps import FeatureMaps, compute_maps
from impasto.engine.tiling.streamed import StreamableEncoder, StreamedNetwork, retry_with_smaller_tiles
from impasto.engine.tiling.targets import Sums, style_targets, summary_observer
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

# Pixels per band for terms on the picture itself: on the CPU as many as fit its cache, on a GPU more, for few kernel
# launches.
_BAND = {"cpu": 1 << 16}
_BAND_ELSEWHERE = 1 << 22
CONTENT_BYTES = 1_000_000_000


@dataclass(frozen=True)
class _TermGradient:
    """The derivative of a style term by its summary.

    Attributes:
        summary: the type of the summary.
        by_sums: the derivative by each of the sums; None for a sum that the loss does not depend on.
        guide: the guide of the term's region.
    """

    summary: type[Summary]
    by_sums: Sequence[Tensor | None]
    guide: Tensor | None


def tiled(
    encoder: StreamableEncoder,
    objective: Objective,
    style_weights: Sequence[float],
    white_level: float = 1.0,
    *,
    tile: int = 0,
    content_bytes: int = CONTENT_BYTES,
    cache: LRUCache | None = None,
    regions: Regions = NONE,
    seamless: bool = False,
) -> EvaluatorFactory:
    """The evaluation of an objective in tiles and strips.

    :func:`impasto.engine.evaluation.autograd_evaluation` computes the same by autograd, for any encoder.

    Args:
        encoder: the network.
        objective: what to evaluate.
        style_weights: a share for each style; they sum to 1.
        white_level: the value of white.
        tile: side of the tiles in pixels; 0 for no tiling.
        content_bytes: memory for the content's features. If they take more, they are recomputed at every evaluation,
            a quarter more work, from the content stored in half precision.
        cache: targets, shared with other evaluations of this encoder.
        regions: the masks of the style terms that have a region.
        seamless: the picture is periodic, so that copies of it tile the plane without seams. Its sides must be
            multiples of the deepest layer's stride, and the objective must have no term on the picture itself.
    """

    def prepare(content: LazyImage, styles: Sequence[LazyImage]) -> EvaluateSample:
        with torch.no_grad():
            targets = style_targets(encoder, objective, styles, style_weights, tile, cache, regions)
            picture = content()
            guides = regions.guides(objective, size_of(picture))
            settings = _Settings(white_level, content_bytes, cache, seamless)
            made, _ = retry_with_smaller_tiles(
                lambda side: _Tiled(encoder, objective, picture, targets, guides, side, settings),
                tile,
                picture,
            )
            return made

    return prepare


@dataclass(frozen=True)
class _Settings:
    """Settings of an evaluation.

    Attributes:
        white_level: the value of white.
        content_bytes: memory for the content's features.
        cache: targets, shared with other evaluations.
        seamless: whether the picture is periodic.
    """

    white_level: float
    content_bytes: int
    cache: LRUCache | None
    seamless: bool


class _Tiled:
    """Evaluates one objective for one content picture."""

    def __init__(
        self,
        encoder: StreamableEncoder,
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
        self._map_terms = [term for term in objective if isinstance(term, FeatureMapTerm)]
        needed = layers(objective)
        self._stream = encoder.stream(needed) if needed else None
        self._side = side
        self._size = size_of(content)
        needs_photo = any(isinstance(term, PhotoTerm) for term in objective)
        self._photo = content if needs_photo else content.new_empty(0, 3, *self._size)
        self._add_content_map_targets(encoder, content)
        self._content = ContentTarget(
            encoder,
            [term for term in objective if isinstance(term, ContentTerm)],
            content,
            self._tiles,
            max_bytes=settings.content_bytes,
            cache=settings.cache,
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

    def _add_content_map_targets(self, encoder: StreamableEncoder, content: Tensor) -> None:
        """Compute the targets of losses on complete feature maps of the content."""
        terms = [term for term in self._map_terms if term.of == "content"]
        if not terms:
            return
        needed = {term.layer for term in terms}
        maps = compute_maps(encoder.stream(needed), needed, content, self._tiles)
        self._targets |= {term.name: term.make_target(maps[term.layer]) for term in terms}

    def __call__(self, x: Tensor, *, with_gradient: bool = True, sample_index: int = 0) -> Evaluation:
        with torch.no_grad():
            evaluation, self._side = retry_with_smaller_tiles(
                lambda side: self._at(x.detach(), side, with_gradient, sample_index), self._side, x
            )
        return evaluation

    def _at(self, x: Tensor, side: int, with_gradient: bool, sample_index: int) -> Evaluation:
        self._side = side
        gradient = torch.zeros_like(x) if with_gradient else x.new_empty(0)
        values: dict[str, Tensor] = {}
        if self._stream is not None and with_gradient:
            tape, sums, maps = self._summed(self._stream, x)
            term_gradients = self._distances(sums, values)
            map_gradients = self._differentiated(maps, values, sample_index)
            for tile in iterate_tiles(self._tiles):
                tape = tape or self._forward(self._stream, x, tile, lambda *_: None, for_backward=True)
                inject = self._injector(self._stream, tile, term_gradients, map_gradients, values)
                more = self._stream.backward(tape, inject)
                tile.accumulate(more, gradient, 1.0 / self._white_level)
                tape = None
        elif self._stream is not None:
            sums, maps = self._values(self._stream, x, values)
            self._distances(sums, values)
            for term in self._map_terms:
                guide = self._guides.get(term.name)
                values[term.name] = term.value(maps[term.layer], self._map_target(term), sample_index, guide)
        self._by_bands(x, gradient if with_gradient else None, values)
        total, terms = in_floats({term.name: values[term.name].sum() for term in self._objective})
        return Evaluation(total, gradient, terms)

    def _forward(
        self,
        stream: StreamedNetwork,
        x: Tensor,
        tile: Tile,
        observe: Callable[[str, Tensor, int], None],
        *,
        for_backward: bool = False,
    ) -> Tape:
        return stream.forward(tile.input(x) / self._white_level, observe, for_backward=for_backward)

    def _maps(self, stream: StreamedNetwork) -> FeatureMaps:
        return FeatureMaps(stream, {term.layer for term in self._map_terms}, self._size)

    def _summed(self, stream: StreamedNetwork, x: Tensor) -> tuple[Tape | None, Sums, dict[str, Tensor]]:
        """The picture's summaries and complete maps and, for a single tile, the tape of its backward pass."""
        sums: Sums = {}
        maps = self._maps(stream)
        tiles = self._tiles
        tape: Tape | None = None
        for tile in iterate_tiles(tiles if self._style or self._map_terms or len(tiles) == 1 else ()):
            observe = maps.observer(tile, summary_observer(stream, self._style, tile, sums, self._guides))
            tape = self._forward(stream, x, tile, observe, for_backward=len(tiles) == 1)
        return tape if len(tiles) == 1 else None, sums, maps.by_layer

    def _values(
        self, stream: StreamedNetwork, x: Tensor, values: dict[str, Tensor]
    ) -> tuple[Sums, dict[str, Tensor]]:
        """The picture's summaries and complete maps; the same pass sums the content terms into ``values``."""
        sums: Sums = {}
        maps = self._maps(stream)
        for tile in iterate_tiles(self._tiles):
            observe = maps.observer(tile, summary_observer(stream, self._style, tile, sums, self._guides))
            self._forward(stream, x, tile, self._content.observer(tile, values, observe))
        return sums, maps.by_layer

    def _distances(self, sums: Sums, values: dict[str, Tensor]) -> dict[str, list[_TermGradient]]:
        """Layer -> the derivative of each style term there by its summary; stores the terms' values."""
        gradients: dict[str, list[_TermGradient]] = {}
        for name, (term, layer) in self._style.items():
            at, target = sums[name], self._targets[name]
            assert not isinstance(target, FeatureMapTarget)
            with torch.enable_grad():
                leaves = tuple(each.detach().requires_grad_() for each in at.sums)
                value = term.value(at.with_sums(leaves, at.count), target, self._pixels(layer))
                by_sums = torch.autograd.grad(value.sum(), leaves, allow_unused=True)
            values[name] = value.detach()
            gradient = _TermGradient(type(at), by_sums, self._guides.get(name))
            gradients.setdefault(layer, []).append(gradient)
        return gradients

    def _pixels(self, layer: str) -> int:
        """Number of pixels of the layer, over the whole picture."""
        assert self._stream is not None
        stride = self._stream.stride(layer)
        height, width = self._size
        return (height // stride) * (width // stride)

    def _map_target(self, term: FeatureMapTerm) -> FeatureMapTarget:
        found = self._targets[term.name]
        assert isinstance(found, FeatureMapTarget)
        return found

    def _differentiated(
        self, maps: dict[str, Tensor], values: dict[str, Tensor], sample_index: int
    ) -> dict[str, Tensor]:
        """Layer -> the derivative by its complete map; stores the terms' values and empties ``maps``."""
        gradients: dict[str, Tensor] = {}
        for layer in list(maps):
            with torch.enable_grad():
                at = maps.pop(layer).requires_grad_()
                for term in self._map_terms:
                    if term.layer != layer:
                        continue
                    value = term.value(at, self._map_target(term), sample_index, self._guides.get(term.name))
                    (gradient,) = torch.autograd.grad(value.sum(), at)
                    gradients[layer] = gradients[layer] + gradient if layer in gradients else gradient
                    values[term.name] = value.detach()
        return gradients

    def _injector(
        self,
        stream: StreamedNetwork,
        tile: Tile,
        term_gradients: Mapping[str, list[_TermGradient]],
        map_gradients: Mapping[str, Tensor],
        values: dict[str, Tensor],
    ) -> Callable[[str, Tensor, int, Tensor | None], Tensor]:
        """A callback that adds each layer's gradient within a tile's core, and the content terms' values."""
        content_targets = self._content.features(tile)

        def inject(layer: str, features: Tensor, first: int, gradient: Tensor | None) -> Tensor:
            inside = tile.inside(stream.stride(layer))
            box = inside.clip(first, features.shape[2])
            core, row = box.of(features), first + box.top - inside.top
            if core.shape == features.shape:
                return add(layer, core, row, gradient)
            if gradient is None:
                gradient = torch.zeros_like(features)
            if core.numel():
                core_gradient = box.of(gradient)
                found = add(layer, core, row, core_gradient)
                if found.data_ptr() != core_gradient.data_ptr():  # equal if the addition was in place
                    core_gradient.copy_(found)
            return gradient

        def add(layer: str, features: Tensor, row: int, gradient: Tensor | None) -> Tensor:
            core, rows = tile.core.at(stream.stride(layer)), slice(row, row + features.shape[2])
            for each in term_gradients.get(layer, ()):
                weight = None if each.guide is None else core.of(each.guide)[:, :, rows]
                gradient = each.summary.add_gradient(features, each.by_sums, gradient, weight)
            if layer in map_gradients:
                more = core.of(map_gradients[layer])[:, :, rows]
                gradient = more if gradient is None else gradient + more
            for term in self._content.terms:
                if term.layer != layer:
                    continue
                more = 2.0 * self._content.add_value(term, features, content_targets[layer], row, values)
                more = more.to(features.dtype)
                gradient = more if gradient is None else gradient + more
            if gradient is None:
                raise TypeError(f"layer {layer}: expected a term at this layer, got none")
            return gradient

        return inject

    def _by_bands(self, x: Tensor, gradient: Tensor | None, values: dict[str, Tensor]) -> None:
        """Add the terms on the picture itself, in bands of rows."""
        height, width = size_of(x)
        rows = max(1, _BAND.get(x.device.type, _BAND_ELSEWHERE) // width)
        for term in self._objective:
            if not isinstance(term, PictureTerm):
                continue
            for first in range(0, height, rows):
                last = min(first + rows, height)
                band = slice(first, min(last + term.below, height))
                with torch.enable_grad():
                    leaf = (x[:, :, band] / self._white_level).requires_grad_()
                    edges = (first == 0, last == height)
                    value = term.band_value(leaf, self._photo[:, :, band], edges, (height, width))
                    if gradient is not None:
                        more = torch.autograd.grad(value.sum(), leaf)[0]
                        gradient[:, :, band].add_(more, alpha=1.0 / self._white_level)
                value = value.detach()
                values[term.name] = values.get(term.name, torch.zeros_like(value)) + value
