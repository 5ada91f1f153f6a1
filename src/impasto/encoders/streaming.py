"""VGG forward and backward in strips of rows: the result of autograd in a fraction of its memory, and faster.

Autograd stores every feature map of the whole picture, 600 bytes a pixel in bfloat16, and each elementwise operation
between two convolutions reads and writes main memory. Here each block of the network is computed in strips of rows
that fit the CPU's cache, and only the inputs of the blocks (the pooled maps, 60 bytes a pixel) are stored. The
backward pass recomputes each block, strip by strip (gradient checkpointing). The recomputation adds up to half of the
convolutions, and saves more time than that in memory traffic.

A callback receives each strip. It can accumulate sums over pixels, or collect the strips into a complete map.
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
"""Called with (layer, features (N, C, h, W), number of the first row). Each row of a layer is passed exactly once."""

Inject = Callable[[str, Tensor, int, Tensor | None], Tensor]
"""Called with (layer, features, first row, gradient so far or None); returns the gradient plus this layer's own."""

Span = tuple[int, int]
"""Rows: the first, and one past the last."""


def _widened(span: Span, reach: int, height: int) -> Span:
    """``span`` with ``reach`` more rows on both sides, clipped to the ``height`` rows of the map."""
    return max(0, span[0] - reach), min(height, span[1] + reach)


@dataclass(frozen=True)
class Block:
    """The layers up to and including a pooling, truncated after the deepest layer that is needed.

    Attributes:
        number: number of the block, 1 for conv1_1 and so on.
        convolutions: the convolutions in order.
        pool: the pooling after them, or None if the network is truncated before it.
    """

    number: int
    convolutions: tuple[Convolution, ...]
    pool: Pool | None

    def name(self, kind: str, index: int) -> str:
        """The name of a layer, such as relu4_2; ``index`` counts the convolutions from 0."""
        return f"{kind}{self.number}_{index + 1}"


@dataclass(frozen=True)
class Map:
    """Some rows of a feature map.

    Attributes:
        values: (N, C, h, W).
        first: number of the first row.
        height: number of rows of the complete map.
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
    """The tensors that the backward pass needs.

    Attributes:
        inputs: the input of each block.
        maps: block number -> all maps of the block, for blocks that are not recomputed.
    """

    inputs: list[Tensor]
    maps: dict[int, list[Map]]


class Stream:
    """The blocks of a VGG, forward and backward.

    Args:
        blocks: the blocks in order, truncated after the deepest of ``layers``.
        layers: the layers that are passed to ``observe`` and ``inject``.
        normalise: maps an image in [0, 1] to the input of the first convolution.
        scale: the derivative of ``normalise``.
        strip: bytes of the largest feature map of one strip; 0 for no strips. The maps of a block that fits one strip
            are stored for the backward pass and not recomputed.
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
        """The stride of ``layer``, in pixels of the picture."""
        number = int(layer.removeprefix("pool").removeprefix("conv").removeprefix("relu").split("_")[0])
        return 1 << (number - (not layer.startswith("pool")))

    @property
    def deepest_stride(self) -> int:
        """The stride of the deepest layer, in pixels of the picture."""
        return 1 << (len(self._blocks) - (self._blocks[-1].pool is None))

    @property
    def reach(self) -> int:
        """Pixels by which the deepest layer's receptive field extends beyond its stride × stride square, at most."""
        left, right, stride = 0, 0, 1
        for block in self._blocks:
            left += stride * len(block.convolutions)
            right += stride * len(block.convolutions)
            if block.pool is not None:
                left += stride * block.pool.reach
                right += stride * (1 + block.pool.reach)
                stride *= 2
        return max(left, right - stride + 1)

    def forward(self, image: Tensor, observe: Observe, *, for_backward: bool = False) -> Tape:
        """Run the network, and pass the strips of ``layers`` to ``observe``.

        Args:
            image: (N, 3, H, W), RGB in [0, 1].
            observe: called with each strip.
            for_backward: record the tape that :meth:`backward` needs.
        """
        tape = Tape([self._normalise(image)], {})
        for block in self._blocks:
            x = tape.inputs[-1]
            pooled: Tensor | None = None
            spans = self._spans(block, x)
            store_maps = for_backward and len(spans) == 1
            for span in spans:
                maps = self._compute(block, x, span, observe)
                if store_maps:
                    tape.maps[block.number] = maps
                if block.pool is None:
                    continue
                rows = _widened(span, block.pool.reach, x.shape[2])
                top, bottom = rows[0] == 0, rows[1] == x.shape[2]
                strip = block.pool.forward(maps[-1].rows(rows), top=top, bottom=bottom)
                first = span[0] // 2
                if f"pool{block.number}" in self._layers:
                    observe(f"pool{block.number}", strip, first)
                if len(spans) == 1:
                    pooled = strip
                    continue
                if pooled is None:
                    n, _, height, width = x.shape
                    pooled = torch.empty(
                        (n, strip.shape[1], height // 2, width // 2),
                        dtype=x.dtype,
                        device=x.device,
                        memory_format=torch.channels_last,
                    )
                pooled[:, :, first : first + strip.shape[2]] = strip
            if not for_backward:
                tape.inputs.clear()
            if pooled is not None:
                tape.inputs.append(pooled)
        return tape

    def backward(self, tape: Tape, inject: Inject) -> Tensor:
        """The gradient at the image of :meth:`forward`, at least in float32.

        Args:
            tape: from :meth:`forward`; it is emptied.
            inject: called with each strip; adds the gradient of the losses at a layer.
        """
        inputs = tape.inputs
        gradient: Tensor | None = None
        for block in reversed(self._blocks):
            if block.pool is not None and f"pool{block.number}" in self._layers:
                gradient = inject(f"pool{block.number}", inputs[-1], 0, gradient)
            if block.pool is not None:
                inputs.pop()
            x = inputs[-1]
            spans = self._spans(block, x)
            below: Tensor | None = None
            for span in spans:
                maps = tape.maps.pop(block.number, None) or self._compute(block, x, span, None)
                rows, strip = self._backward_block(block, maps, span, gradient, inject)
                if len(spans) == 1:
                    below = strip
                    continue
                if below is None:
                    below = torch.zeros_like(x)
                below[:, :, rows[0] : rows[1]] += strip
            gradient = below
        inputs.clear()
        if gradient is None:
            raise TypeError("stream: expected at least one block, got none")
        return gradient.to(torch.promote_types(gradient.dtype, torch.float32)) * self._scale

    def _spans(self, block: Block, x: Tensor) -> list[Span]:
        """The block's rows, cut evenly into strips without dividing a pooling window."""
        n, _, height, width = x.shape
        channels = block.convolutions[-1].channels
        row = n * channels * width * x.element_size()
        if not self._strip:
            return [(0, height)]
        rows = max(4 * len(block.convolutions), self._strip // row)
        count = max(1, round(height / rows))
        step = -(-height // count)
        step += step % 2
        # A single last row could not be pooled, so it belongs to the strip before.
        firsts = list(range(0, max(1, height - 1), step))
        return list(zip(firsts, [*firsts[1:], height], strict=True))

    def _compute(self, block: Block, x: Tensor, span: Span, observe: Observe | None) -> list[Map]:
        """The input and every map of the block, on ``span`` plus the rows that the following layers reach beyond it.

        After the input, maps are in pairs, before and after ReLU. Both are the same map if the one before ReLU is not
        needed.
        """
        height, reach = x.shape[2], len(block.convolutions) + (block.pool.reach if block.pool else 0)
        first, last = _widened(span, reach, height)
        maps = [Map(x[:, :, first:last], first, height)]
        for index, convolution in enumerate(block.convolutions):
            below = maps[-1]
            top, bottom = below.first == 0, below.last == height
            conv, relu = block.name("conv", index), block.name("relu", index)
            separate = conv in self._layers
            y = convolution.forward(below.values, relu=not separate, top=top, bottom=bottom)
            first = below.first + (0 if top else 1)
            before = Map(y, first, height)
            after = Map(F.relu(y), first, height) if separate else before
            maps += [before, after]
            if observe is not None:
                for name, it in ((conv, before), (relu, after)):
                    if name in self._layers:
                        observe(name, it.rows(span), span[0])
        return maps

    def _backward_block(
        self, block: Block, maps: list[Map], span: Span, gradient: Tensor | None, inject: Inject
    ) -> tuple[Span, Tensor]:
        """The rows that ``span`` contributes to in the gradient at the block's input, and that gradient."""
        height = maps[0].height
        g: Tensor | None = None
        first, last = span
        if block.pool is not None and gradient is not None:
            first, last = _widened(span, block.pool.reach, height)
            pooled = gradient[:, :, span[0] // 2 : span[1] // 2]
            g = block.pool.backward(
                pooled, maps[-1].rows((first, last)), top=first == 0, bottom=last == height
            )
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
            first, last = _widened((first, last), 1, height)
        return (first, last), torch.zeros_like(maps[0].rows((first, last))) if g is None else g

    def _injected(
        self, layer: str, features: Map, span: Span, rows: Span, g: Tensor | None, inject: Inject
    ) -> Tensor | None:
        """``g``, a gradient on ``rows``, plus the injected gradient of ``layer`` on ``span`` where it is observed."""
        if layer not in self._layers:
            return g
        if g is None or rows == span:
            return inject(layer, features.rows(span), span[0], g)
        core = g[:, :, span[0] - rows[0] : span[1] - rows[0]]
        core.copy_(inject(layer, features.rows(span), span[0], core))
        return g
