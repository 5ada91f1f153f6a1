"""VGG forward and backward in pieces: the same numbers as the whole, in a fraction of its memory, and faster.

Autograd keeps every feature map of the whole picture, 600 bytes a pixel in bfloat16, and each elementwise step
between two convolutions reads and writes main memory. Here each block of the network is worked through in strips of
rows that fit the processor's cache, and only what a block is given (the pooled maps, 60 bytes a pixel) is kept: on
the way back a block is computed once more, strip by strip. That costs up to half as many convolutions again and saves
more than that in memory traffic.

Nothing but sums over pixels and values at pixels can be computed this way; whoever needs a layer as a whole collects
the strips.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.encoders.convolution import Convolution
from impasto.encoders.pooling import Pool

Observe = Callable[[str, Tensor, int], None]
"""Called with (layer, features (N, C, h, W) of h rows, number of the first row): each row comes exactly once."""

Inject = Callable[[str, Tensor, int, Tensor | None], Tensor]
"""Called with (layer, features, first row, gradient so far or None); returns the gradient with this layer's added."""

Span = tuple[int, int]
"""Rows, from … up to but not including."""


def _beyond(span: Span, reach: int, height: int) -> Span:
    """``span`` and as many rows on both sides, as far as there are."""
    return max(0, span[0] - reach), min(height, span[1] + reach)


@dataclass(frozen=True)
class Block:
    """The layers between two poolings, cut at the deepest one that is needed.

    Attributes:
        number: 1 for conv1_1 and so on.
        convolutions: in order.
        pool: behind them, or None where the network is cut before it.
    """

    number: int
    convolutions: tuple[Convolution, ...]
    pool: Pool | None

    def name(self, kind: str, index: int) -> str:
        """Such as relu4_2, for the convolution of that index from 0."""
        return f"{kind}{self.number}_{index + 1}"


@dataclass(frozen=True)
class Map:
    """Some rows of a feature map.

    Attributes:
        values: (N, C, h, W).
        first: number of the first row.
        height: how many there are in all.
    """

    values: Tensor
    first: int
    height: int

    @property
    def last(self) -> int:
        return self.first + self.values.shape[2]

    def rows(self, span: Span) -> Tensor:
        return self.values[:, :, span[0] - self.first : span[1] - self.first]


@dataclass(frozen=True)
class Tape:
    """What the way back needs.

    Attributes:
        given: what each block was given.
        kept: all maps of a block, by its number, where they are not computed once more.
    """

    given: list[Tensor]
    kept: dict[int, list[Map]]


class Stream:
    """The blocks of a VGG, forward and backward.

    Args:
        blocks: in order, cut behind the deepest of ``layers``.
        layers: those to be shown to ``observe`` and ``inject``.
        normalise: makes of an image in [0, 1] what the first convolution takes.
        scale: the derivative of ``normalise``.
        strip: bytes of the largest feature map of one strip; 0 divides nothing. A block whose maps fit one strip is
            not computed twice: they are kept for the way back.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        layers: Collection[str],
        *,
        normalise: Callable[[Tensor], Tensor],
        scale: float,
        strip: int,
    ) -> None:
        self._blocks = blocks
        self._layers = frozenset(layers)
        self._normalise = normalise
        self._scale = scale
        self._strip = strip

    def stride(self, layer: str) -> int:
        """Pixels of the picture from one pixel of ``layer`` to the next."""
        number = int(layer.removeprefix("pool").removeprefix("conv").removeprefix("relu").split("_")[0])
        return 1 << (number - (not layer.startswith("pool")))

    @property
    def deepest_stride(self) -> int:
        """Pixels of the picture from one pixel of the deepest layer to the next."""
        return 1 << (len(self._blocks) - (self._blocks[-1].pool is None))

    @property
    def reach(self) -> int:
        """How many pixels beyond its own square of the picture the deepest layer sees, at most."""
        left, right, stride = 0, 0, 1
        for block in self._blocks:
            left += stride * len(block.convolutions)
            right += stride * len(block.convolutions)
            if block.pool is not None:
                left += stride * block.pool.reach
                right += stride * (1 + block.pool.reach)
                stride *= 2
        return max(left, right - stride + 1)

    def forward(self, image: Tensor, observe: Observe, *, way_back: bool = False) -> Tape:
        """Shows every wanted layer to ``observe``.

        Args:
            image: (N, 3, H, W), RGB in [0, 1].
            way_back: keep what :meth:`backward` needs.
        """
        tape = Tape([self._normalise(image)], {})
        for block in self._blocks:
            x = tape.given[-1]
            pooled: Tensor | None = None
            spans = self._spans(block, x)
            kept = way_back and len(spans) == 1
            for span in spans:
                maps = self._compute(block, x, span, observe)
                if kept:
                    tape.kept[block.number] = maps
                if block.pool is None:
                    continue
                rows = _beyond(span, block.pool.reach, x.shape[2])
                top, bottom = rows[0] == 0, rows[1] == x.shape[2]
                piece = block.pool.forward(maps[-1].rows(rows), top=top, bottom=bottom)
                first = span[0] // 2
                if f"pool{block.number}" in self._layers:
                    observe(f"pool{block.number}", piece, first)
                if len(spans) == 1:
                    pooled = piece
                    continue
                if pooled is None:
                    n, _, height, width = x.shape
                    pooled = torch.empty(
                        (n, piece.shape[1], height // 2, width // 2),
                        dtype=x.dtype,
                        device=x.device,
                        memory_format=torch.channels_last,
                    )
                pooled[:, :, first : first + piece.shape[2]] = piece
            if not way_back:
                tape.given.clear()
            if pooled is not None:
                tape.given.append(pooled)
        return tape

    def backward(self, tape: Tape, inject: Inject) -> Tensor:
        """The gradient at the image of :meth:`forward`, at least in float32; ``tape`` is used up."""
        given = tape.given
        gradient: Tensor | None = None
        for block in reversed(self._blocks):
            if block.pool is not None and f"pool{block.number}" in self._layers:
                gradient = inject(f"pool{block.number}", given[-1], 0, gradient)
            if block.pool is not None:
                given.pop()
            x = given[-1]
            spans = self._spans(block, x)
            below: Tensor | None = None
            for span in spans:
                maps = tape.kept.pop(block.number, None) or self._compute(block, x, span, None)
                rows, piece = self._back(block, maps, span, gradient, inject)
                if len(spans) == 1:
                    below = piece
                    continue
                if below is None:
                    below = torch.zeros_like(x)
                below[:, :, rows[0] : rows[1]] += piece
            gradient = below
        given.clear()
        if gradient is None:
            raise TypeError("a stream without blocks")
        return gradient.to(torch.promote_types(gradient.dtype, torch.float32)) * self._scale

    def _spans(self, block: Block, x: Tensor) -> list[Span]:
        """Even cuts of the block's rows, so that no pooling window is divided."""
        n, _, height, width = x.shape
        channels = block.convolutions[-1].channels
        row = n * channels * width * x.element_size()
        if not self._strip:
            return [(0, height)]
        rows = max(4 * len(block.convolutions), self._strip // row)
        count = max(1, round(height / rows))
        step = -(-height // count)
        step += step % 2
        # A last row alone could not be pooled: it goes with the strip before.
        firsts = list(range(0, max(1, height - 1), step))
        return list(zip(firsts, [*firsts[1:], height], strict=True))

    def _compute(self, block: Block, x: Tensor, span: Span, observe: Observe | None) -> list[Map]:
        """The input and every map of the block, on ``span`` and as far beyond as what follows it reaches.

        Maps come in pairs, before and after ReLU; both are one where only the second is wanted.
        """
        height, reach = x.shape[2], len(block.convolutions) + (block.pool.reach if block.pool else 0)
        first, last = _beyond(span, reach, height)
        maps = [Map(x[:, :, first:last], first, height)]
        for index, convolution in enumerate(block.convolutions):
            below = maps[-1]
            top, bottom = below.first == 0, below.last == height
            conv, relu = block.name("conv", index), block.name("relu", index)
            apart = conv in self._layers
            y = convolution.forward(below.values, relu=not apart, top=top, bottom=bottom)
            first = below.first + (0 if top else 1)
            before = Map(y, first, height)
            after = Map(F.relu(y), first, height) if apart else before
            maps += [before, after]
            if observe is not None:
                for name, it in ((conv, before), (relu, after)):
                    if name in self._layers:
                        observe(name, it.rows(span), span[0])
        return maps

    def _back(
        self, block: Block, maps: list[Map], span: Span, gradient: Tensor | None, inject: Inject
    ) -> tuple[Span, Tensor]:
        """The gradient at the block's input that comes from ``span``, and the rows it has."""
        height = maps[0].height
        g: Tensor | None = None
        first, last = span
        if block.pool is not None and gradient is not None:
            first, last = _beyond(span, block.pool.reach, height)
            own = gradient[:, :, span[0] // 2 : span[1] // 2]
            g = block.pool.backward(own, maps[-1].rows((first, last)), top=first == 0, bottom=last == height)
        for index in reversed(range(len(block.convolutions))):
            before, after = maps[2 * index + 1], maps[2 * index + 2]
            g = self._injected(block.name("relu", index), after, span, (first, last), g, inject)
            conv, mask = block.name("conv", index), None
            if g is not None:
                mask = after.rows((first, last))
                if conv in self._layers:
                    g, mask = torch.ops.aten.threshold_backward(g, mask, 0), None
            g = self._injected(conv, before, span, (first, last), g, inject)
            if g is None:
                continue
            top, bottom = first == 0, last == height
            g = block.convolutions[index].backward(g, mask, top=top, bottom=bottom)
            first, last = _beyond((first, last), 1, height)
        return (first, last), torch.zeros_like(maps[0].rows((first, last))) if g is None else g

    def _injected(
        self, layer: str, features: Map, span: Span, rows: Span, g: Tensor | None, inject: Inject
    ) -> Tensor | None:
        """``g``, which has ``rows``, with the gradient of a wanted layer added on ``span``."""
        if layer not in self._layers:
            return g
        if g is None or rows == span:
            return inject(layer, features.rows(span), span[0], g)
        core = g[:, :, span[0] - rows[0] : span[1] - rows[0]]
        core.copy_(inject(layer, features.rows(span), span[0], core))
        return g
