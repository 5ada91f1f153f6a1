"""The exact gradient of a whole picture, tile by tile.

Every style loss sees the picture through sums over its pixels, and the content loss is such a sum itself. So one
pass over the tiles adds up the sums; the distances are differentiated at the small matrices; a second pass carries
that gradient back through each tile. Tiles are cut on the network's coarsest grid and are given as many pixels
around as a feature can see, so the result is the whole picture's to rounding, without a seam.

One tile that is the whole picture needs the network forward only once; the pieces it is worked through in are then
those of :mod:`impasto.encoders.streaming` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from impasto.encoders.streaming import Tape
from impasto.engine.evaluation import Evaluate, Evaluation, Prepare
from impasto.engine.pyramid import Size
from impasto.errors import ParameterError
from impasto.losses.content import energy
from impasto.losses.moments import Moments, blend
from impasto.losses.objective import (
    ContentTerm,
    Objective,
    SmoothnessTerm,
    StyleTerm,
    content_layers,
    layers,
    style_layers,
)


class Pieces(Protocol):
    """A network forward and backward in pieces (see :class:`impasto.encoders.streaming.Stream`)."""

    @property
    def reach(self) -> int: ...

    @property
    def deepest_stride(self) -> int: ...

    def stride(self, layer: str) -> int: ...

    def forward(
        self, image: Tensor, observe: Callable[[str, Tensor, int], None], *, way_back: bool = False
    ) -> Tape: ...

    def backward(self, tape: Tape, inject: Callable[[str, Tensor, int, Tensor | None], Tensor]) -> Tensor: ...


class Streaming(Protocol):
    """An encoder that can be run in pieces."""

    def stream(self, layers: Collection[str]) -> Pieces: ...


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


Sums = dict[str, Moments]
Slopes = tuple[Tensor | None, Tensor | None]
"""The derivatives by the first and the second moment; None where a loss does not use it."""


def tiled(
    encoder: Streaming,
    objective: Objective,
    style_weights: Sequence[float],
    unit: float = 1.0,
    *,
    tile: int = 0,
) -> Prepare:
    """The evaluation of an objective in pieces; :func:`impasto.engine.evaluation.whole` is its plain twin.

    Args:
        encoder: the network.
        objective: its style losses work on moments, its content losses on squares.
        style_weights: a share for each style; they sum to 1.
        unit: what white is.
        tile: side of the tiles in pixels; 0 cuts nothing.
    """

    def prepare(content: Tensor, styles: Sequence[Tensor]) -> Evaluate:
        with torch.no_grad():
            style_targets = _style_targets(encoder, objective, styles, style_weights, tile)
            return _Tiled(encoder, objective, content, style_targets, unit, tile)

    return prepare


def _style_targets(
    encoder: Streaming, objective: Objective, styles: Sequence[Tensor], weights: Sequence[float], tile: int
) -> dict[str, Moments]:
    """Term name -> what the term compares with."""
    needed = style_layers(objective)
    if not needed:
        return {}
    stream = encoder.stream(needed)
    terms = {term.name: (term, term.target_layer) for term in objective if isinstance(term, StyleTerm)}
    sums = [
        _sums(stream, terms, style, cut(_size(style), tile, reach=stream.reach, stride=stream.deepest_stride))
        for style in styles
    ]
    return {name: blend([each[name] for each in sums], weights) for name in terms}


def _sums(
    stream: Pieces, terms: Mapping[str, tuple[StyleTerm, str]], image: Tensor, tiles: Sequence[Tile]
) -> Sums:
    """The summaries of ``image`` for terms at layers, over all tiles."""
    sums: Sums = {}
    for piece in tiles:
        stream.forward(piece.outer.of(image), _adder(stream, terms, piece, sums))
    return sums


def _adder(
    stream: Pieces, terms: Mapping[str, tuple[StyleTerm, str]], piece: Tile, sums: Sums
) -> Callable[[str, Tensor, int], None]:
    """Observes one tile and adds its summaries to ``sums``."""

    def observe(layer: str, features: Tensor, first: int) -> None:
        own = piece.inside(stream.stride(layer)).clip(first, features.shape[2]).of(features)
        if not own.numel():
            return
        for name, (term, at) in terms.items():
            if at == layer:
                summary = term.loss.summarise(own)
                sums[name] = sums[name].plus(summary) if name in sums else summary

    return observe


def _size(image: Tensor) -> Size:
    return image.shape[-2], image.shape[-1]


class _Tiled:
    """Evaluates one objective for one content picture."""

    def __init__(
        self,
        encoder: Streaming,
        objective: Objective,
        content: Tensor,
        style_targets: Mapping[str, Moments],
        unit: float,
        tile: int,
    ) -> None:
        self._objective = objective
        self._targets = style_targets
        self._unit = unit
        self._content = [term for term in objective if isinstance(term, ContentTerm)]
        self._style = {term.name: (term, term.layer) for term in objective if isinstance(term, StyleTerm)}
        needed = layers(objective)
        self._stream = encoder.stream(needed) if needed else None
        self._tiles: list[Tile] = []
        self._wanted: list[dict[str, Tensor]] = []  # the content's features of each tile's core, by layer
        if self._stream is not None:
            self._tiles = cut(
                _size(content), tile, reach=self._stream.reach, stride=self._stream.deepest_stride
            )
        if self._content:
            self._wanted = self._content_features(encoder.stream(content_layers(objective)), content)

    def _content_features(self, stream: Pieces, content: Tensor) -> list[dict[str, Tensor]]:
        every: list[dict[str, Tensor]] = []
        for piece in self._tiles:
            strips: dict[str, list[Tensor]] = {}

            def observe(
                layer: str,
                features: Tensor,
                first: int,
                piece: Tile = piece,
                strips: dict[str, list[Tensor]] = strips,
            ) -> None:
                own = piece.inside(stream.stride(layer)).clip(first, features.shape[2]).of(features)
                # A strip is a view of a map with rows beyond it.
                strips.setdefault(layer, []).append(own.clone())

            stream.forward(piece.outer.of(content), observe)
            every.append({layer: torch.cat(parts, 2) for layer, parts in strips.items()})
        return every

    def __call__(self, x: Tensor) -> Evaluation:
        with torch.no_grad():
            image = x.detach() / self._unit
            gradient = torch.zeros_like(image)
            values: dict[str, Tensor] = {}
            if self._stream is not None:
                tape, sums = self._summed(self._stream, image)
                slopes = self._distances(sums, values)
                scales = {term.name: self._content_scale(term) for term in self._content}
                for index, piece in enumerate(self._tiles):
                    tape = tape or self._stream.forward(piece.outer.of(image), lambda *_: None, way_back=True)
                    inject = self._injector(self._stream, index, slopes, scales, values)
                    piece.outer.of(gradient).add_(self._stream.backward(tape, inject))
                    tape = None
        self._smooth(image, gradient, values)
        terms = {term.name: float(values[term.name].sum()) for term in self._objective}
        total = float(torch.stack([values[term.name].sum() for term in self._objective]).sum())
        return Evaluation(total, gradient / self._unit, terms)

    def _summed(self, stream: Pieces, image: Tensor) -> tuple[Tape | None, Sums]:
        """The summaries of the picture and, if it is one tile, what its backward pass needs."""
        if len(self._tiles) > 1:
            return None, _sums(stream, self._style, image, self._tiles)
        sums: Sums = {}
        observe = _adder(stream, self._style, self._tiles[0], sums)
        return stream.forward(image, observe, way_back=True), sums

    def _distances(self, sums: Sums, values: dict[str, Tensor]) -> dict[str, list[Slopes]]:
        """Layer -> the derivatives by first and second moment of each term there; fills in the terms' values."""
        slopes: dict[str, list[Slopes]] = {}
        for name, (term, layer) in self._style.items():
            at, target = sums[name], self._targets[name]
            if at.first.shape[-1] != target.first.shape[-1]:
                raise ParameterError(
                    f"{name}: expected a target layer with {at.first.shape[-1]} channels, "
                    f"got {term.target_layer} with {target.first.shape[-1]}"
                )
            with torch.enable_grad():
                first, second = at.first.detach().requires_grad_(), at.second.detach().requires_grad_()
                value = term.weight * term.loss.distance(Moments(at.count, first, second), target)
                by_first, by_second = torch.autograd.grad(value.sum(), (first, second), allow_unused=True)
            values[name] = value.detach()
            slopes.setdefault(layer, []).append((by_first, by_second))
        return slopes

    def _content_scale(self, term: ContentTerm) -> Tensor:
        targets = [wanted[term.layer] for wanted in self._wanted]
        elements = sum(target[0].numel() for target in targets)
        total = torch.stack([energy(target) for target in targets]).sum(0)
        return term.weight * torch.ones_like(total) * term.loss.scale(elements, total)

    def _injector(
        self,
        stream: Pieces,
        index: int,
        slopes: Mapping[str, list[Slopes]],
        scales: Mapping[str, Tensor],
        values: dict[str, Tensor],
    ) -> Callable[[str, Tensor, int, Tensor | None], Tensor]:
        """Adds each layer's gradient within a tile's core, and the content terms' values."""
        piece = self._tiles[index]

        def inject(layer: str, features: Tensor, first: int, gradient: Tensor | None) -> Tensor:
            inside = piece.inside(stream.stride(layer))
            box = inside.clip(first, features.shape[2])
            own = box.of(features)
            if own.shape == features.shape:
                return add(layer, own, first, gradient)
            if gradient is None:
                gradient = torch.zeros_like(features)
            if own.numel():
                mine = box.of(gradient)
                mine.copy_(add(layer, own, first + box.top - inside.top, mine))
            return gradient

        def add(layer: str, features: Tensor, row: int, gradient: Tensor | None) -> Tensor:
            for by_first, by_second in slopes.get(layer, ()):
                gradient = _moments_gradient(features, by_first, by_second, gradient)
            for term in self._content:
                if term.layer != layer:
                    continue
                target = self._wanted[index][layer][:, :, row : row + features.shape[2]]
                difference = features.to(scales[term.name].dtype) - target
                scale = scales[term.name]
                value = scale * energy(difference)
                values[term.name] = values.get(term.name, torch.zeros_like(value)) + value
                more = (2.0 * scale.view(-1, 1, 1, 1) * difference).to(features.dtype)
                gradient = more if gradient is None else gradient + more
            if gradient is None:
                raise TypeError(f"no term has layer {layer}")
            return gradient

        return inject

    def _smooth(self, image: Tensor, gradient: Tensor, values: dict[str, Tensor]) -> None:
        terms = [term for term in self._objective if isinstance(term, SmoothnessTerm)]
        if not terms:
            return
        with torch.enable_grad():
            leaf = image.requires_grad_()
            for term in terms:
                value = term.weight * term.loss(leaf)
                gradient += torch.autograd.grad(value.sum(), leaf)[0]
                values[term.name] = value.detach()


def _moments_gradient(
    features: Tensor, by_first: Tensor | None, by_second: Tensor | None, gradient: Tensor | None
) -> Tensor:
    """d/df of a function of Σ f and Σ f fᵀ, added to ``gradient``: (N, C, H, W), channels last."""
    n, c, h, w = features.shape
    points = features.permute(0, 2, 3, 1).reshape(n, h * w, c)
    result = (
        torch.zeros_like(points) if gradient is None else gradient.permute(0, 2, 3, 1).reshape(n, h * w, c)
    )
    if by_second is not None:
        result = torch.baddbmm(result, points, (by_second + by_second.mT).to(features.dtype))
    if by_first is not None:
        result = result + by_first.to(features.dtype).unsqueeze(1)
    return result.view(n, h, w, c).permute(0, 3, 1, 2)
