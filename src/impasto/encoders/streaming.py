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
from functools import partial
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.encoders.pooling import Pool
from impasto.encoders.winograd import Pad, Winograd, pays

Observe = Callable[[str, Tensor, int], None]
"""Called with (layer, features (N, C, h, W) of h rows, number of the first row): each row comes exactly once."""

Inject = Callable[[str, Tensor, int, Tensor | None], Tensor]
"""Called with (layer, features, first row, gradient so far or None); returns the gradient with this layer's added."""

Span = tuple[int, int]
"""Rows, from … up to but not including."""

Border = Literal["zero", "replicate", "reflect"]
"""What a convolution sees beyond the edge: nothing, the edge once more, or the row before it."""


def _beyond(span: Span, reach: int, height: int) -> Span:
    """``span`` and as many rows on both sides, as far as there are."""
    return max(0, span[0] - reach), min(height, span[1] + reach)


class Convolution:
    """A 3 × 3 convolution with a border of one pixel, optionally followed by ReLU, and its gradient.

    Args:
        kernel: (C_out, C_in, 3, 3).
        bias: (C_out,).
        border: what is beyond the picture's edge.
    """

    def __init__(self, kernel: Tensor, bias: Tensor, *, border: Border) -> None:
        self.border = border
        self.channels = kernel.shape[0]
        self._bias = bias
        # The gradient of a convolution is the convolution with the kernel turned round and its channels swapped.
        turned = kernel.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)
        self._there, self._back = _prepared(kernel), _prepared(turned)

    def forward(self, x: Tensor, *, relu: bool, top: bool, bottom: bool) -> Tensor:
        """Rows that can be computed: one fewer than came at each end that is not the picture's own.

        Args:
            x: (N, C_in, h, W), some rows of the input.
            relu: cut off what is negative.
            top, bottom: whether the first or last row is the picture's own.
        """
        pad = (1, 1, int(top), int(bottom))
        if self.border == "zero":
            return self._there(x, self._bias, pad, relu=relu)
        return self._there(bordered(x, pad, self.border), self._bias, (0, 0, 0, 0), relu=relu)

    def backward(self, g: Tensor, *, top: bool, bottom: bool) -> Tensor:
        """The gradient at the input, one row more than came at each end that is not the picture's own."""
        if self.border != "zero":
            return _fold(self._back(g, None, (2, 2, 2, 2), relu=False), self.border, top=top, bottom=bottom)
        return self._back(g, None, (1, 1, 2 - int(top), 2 - int(bottom)), relu=False)


class Convolve(Protocol):
    """A 3 × 3 convolution of (N, C_in, H, W), channels last."""

    def __call__(self, x: Tensor, bias: Tensor | None, pad: Pad, *, relu: bool) -> Tensor:
        """The picture with ``pad`` zeros around it, convolved; its ReLU if asked for."""
        ...


def _prepared(kernel: Tensor) -> Convolve:
    """The fastest way to convolve with that kernel here."""
    if pays((kernel.shape[1], kernel.shape[0]), kernel.dtype, kernel.device):
        return Winograd(kernel)
    return _packed(kernel) if _packs(kernel) else partial(_plain, kernel)


def _plain(kernel: Tensor, x: Tensor, bias: Tensor | None, pad: Pad, *, relu: bool) -> Tensor:
    border, inner = _even(pad)
    y = F.conv2d(x, kernel, bias, padding=border)
    return inner(y.relu_() if relu else y)


def _even(pad: Pad) -> tuple[tuple[int, int], Callable[[Tensor], Tensor]]:
    """A border as wide on both sides (rows, columns), and how to cut from the result what is too much."""
    left, right, top, bottom = pad
    rows, columns = max(top, bottom), max(left, right)

    def inner(y: Tensor) -> Tensor:
        return y[:, :, rows - top : y.shape[2] - (rows - bottom)]

    return (rows, columns), inner


def _packs(kernel: Tensor) -> bool:
    """Whether oneDNN can hold the kernel in its own order and apply ReLU before it writes the result.

    These two operators are those that torch.compile uses; they have no public name, so their absence is no error.
    """
    return (
        kernel.device.type == "cpu"
        and kernel.dtype in (torch.float32, torch.bfloat16)
        and bool(torch._C._has_mkldnn)
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_convolution_weight")
    )


def _packed(kernel: Tensor) -> Convolve:
    # The picture's size is only a hint: any other works as well.
    hint = [1, kernel.shape[1], 64, 64]
    packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(kernel, [1, 1], [1, 1], [1, 1], 1, hint)

    def convolve(x: Tensor, bias: Tensor | None, pad: Pad, *, relu: bool) -> Tensor:
        border, inner = _even(pad)
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, packed, bias, list(border), [1, 1], [1, 1], 1, "relu" if relu else "none", [], None
        )
        return inner(y)

    return convolve


def bordered(x: Tensor, pad: Pad, border: Border) -> Tensor:
    """``x`` (N, C, H, W) with that many pixels of the border around it, 0 or 1 a side.

    A single row or column has nothing to be mirrored at its ends, and is repeated.
    """
    if border == "zero":
        return F.pad(x, pad)
    mirrored = [border == "reflect" and side > 1 for side in x.shape[-2:]]
    if mirrored[0] == mirrored[1]:
        return F.pad(x, pad, mode="reflect" if mirrored[0] else "replicate")
    left, right, top, bottom = pad
    for mirror, part in zip(mirrored, ((0, 0, top, bottom), (left, right, 0, 0)), strict=True):
        x = F.pad(x, part, mode="reflect" if mirror else "replicate")
    return x


def _fold(g: Tensor, border: Border, *, top: bool, bottom: bool) -> Tensor:
    """The gradient of a border: what reached it belongs to the pixels that it shows."""
    g = _folded(g, border, first=True, last=True)
    return _folded(g.transpose(2, 3), border, first=top, last=bottom).transpose(2, 3)


def _folded(g: Tensor, border: Border, *, first: bool, last: bool) -> Tensor:
    """Folds the first and last column onto those that they show, where they are a border."""
    inside = g.shape[3] - first - last
    inward = 1 + (border == "reflect" and inside > 1)
    if first:
        g[..., inward] += g[..., 0]
    if last:
        g[..., -1 - inward] += g[..., -1]
    return g[..., int(first) : g.shape[3] - last]


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
            if g is not None:
                values = after.values[:, :, first - after.first : last - after.first]
                g = torch.ops.aten.threshold_backward(g, values, 0)
            g = self._injected(block.name("conv", index), before, span, (first, last), g, inject)
            if g is None:
                continue
            top, bottom = first == 0, last == height
            g = block.convolutions[index].backward(g, top=top, bottom=bottom)
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
