"""Convolution methods, and the choice between them by their time on this machine, which is measured once."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.kernels.compiled import library
from impasto.kernels.products import Products
from impasto.kernels.winograd import Pad, Side, Winograd
from impasto.measured import measured, race
from impasto.processor import processor

REVISION = 1
"""Revision of the kernels; measurements of another revision are discarded and repeated."""

# Sides of the pictures for which methods are compared. A map of C channels has its size in VGG for such a picture.
_SIDES = (96, 192, 384)

# Tiles of side 6 are tried up to this product of input and output channels. Beyond it, they are at most a twentieth
# faster, and a transformed kernel takes 67 MB in place of 38 MB.
_LARGEST_SIX = 256 * 256

# The fewest channels at which Winograd convolution from torch's matrix products is faster.
_LEAST_CHANNELS = 128


class Convolve(Protocol):
    """A 3 × 3 convolution of (N, C_in, H, W), channels last."""

    def __call__(
        self, x: Tensor, bias: Tensor | None, pad: Pad, *, relu: bool = False, mask: Tensor | None = None
    ) -> Tensor:
        """The convolution of ``x`` with zero padding, plus the bias.

        Args:
            x: the input.
            bias: (C_out,), or None.
            pad: zero padding: left, right, top, bottom.
            relu: apply ReLU to the result.
            mask: shaped as ``x``; ``x`` counts as zero where the mask is not above zero.
        """
        ...


class Fastest:
    """The convolution with one kernel, by the fastest method of this machine for each size of picture.

    Args:
        kernel: (C_out, C_in, 3, 3).
    """

    def __init__(self, kernel: Tensor) -> None:
        self._kernel = kernel
        self._made: dict[str, Convolve] = {}
        self._chosen: dict[int, str] = {}

    def __call__(
        self, x: Tensor, bias: Tensor | None, pad: Pad, *, relu: bool = False, mask: Tensor | None = None
    ) -> Tensor:
        """See :class:`Convolve`."""
        channels = self._kernel.shape[:2]
        side = _picture_side(channels, x.shape[0] * x.shape[2] * x.shape[3])
        if side not in self._chosen:
            self._chosen[side] = fastest(channels, self._kernel.dtype, self._kernel.device, side)
        name = self._chosen[side]
        if name not in self._made:
            self._made[name] = ways(self._kernel)[name]()
        return self._made[name](x, bias, pad, relu=relu, mask=mask)


def ways(kernel: Tensor, device: torch.device | None = None) -> dict[str, Callable[[], Convolve]]:
    """Method name -> a function that prepares it, for the methods available for a kernel; torch's own is the last.

    Args:
        kernel: (C_out, C_in, 3, 3).
        device: the device of the computation, for a kernel on the meta device.
    """
    found: dict[str, Callable[[], Convolve]] = {}
    device = device or kernel.device
    computed = (torch.float32, torch.bfloat16) if processor().bfloat16 else (torch.float32,)
    known = device.type == "cpu" and kernel.dtype in computed
    compiled = library() if known and kernel.dtype == torch.float32 else None
    if compiled is not None:
        sides: tuple[Side, ...] = (4, 6) if kernel.shape[0] * kernel.shape[1] <= _LARGEST_SIX else (4,)
        found |= {f"winograd-{side}": partial(Winograd, kernel, side, compiled) for side in sides}
    elif known and min(kernel.shape[:2]) >= _LEAST_CHANNELS:
        found["products"] = lambda: partial(_masked, Products(kernel))
    if known and _packs():
        found["direct"] = lambda: partial(_masked, _packed(kernel))
    else:
        found["plain"] = lambda: partial(_masked, partial(_plain, kernel))
    return found


def fastest(channels: tuple[int, ...], dtype: torch.dtype, device: torch.device, side: int) -> str:
    """The name of the fastest method.

    Args:
        channels: output channels, input channels.
        dtype, device: of the kernel and the maps.
        side: the side of the pictures in pixels, about.
    """
    out, into = channels
    kernel = torch.empty(out, into, 3, 3, dtype=dtype, device="meta" if device.type == "cpu" else device)
    names = list(ways(kernel, device))
    if side > _SIDES[0] and names[0].startswith("winograd"):
        names.pop()  # torch's own method wins only with few tiles per kernel
    if len(names) == 1:
        return names[0]

    def measure() -> str:
        stride = _stride(channels)
        generator = torch.Generator().manual_seed(0)  # leaves torch's global generator unchanged
        shapes = (1, into, side // stride, side * 4 // 3 // stride), (out, into, 3, 3)
        x, weights = (
            torch.rand(shape, generator=generator).to(dtype, memory_format=torch.channels_last)
            for shape in shapes
        )
        prepare = ways(weights)
        with torch.no_grad():
            runs = {name: partial(prepare[name](), x, None, (1, 1, 1, 1)) for name in names}
            times = race(runs, seconds=0.01)
        return min(times, key=times.__getitem__)

    compiled = library()
    kind = f"{str(dtype).removeprefix('torch.')} {compiled.extension if compiled else 'torch'}"
    question = f"convolution {into} {out} at {side} {kind}"
    return measured(question, measure, revision=REVISION, accept=names.__contains__)


def kernel_bytes(channels: tuple[int, int], dtype: torch.dtype, device: torch.device, side: float) -> int:
    """Memory of a prepared kernel in bytes, for pictures up to ``side`` pixels; ``channels`` are output and input."""
    values = {"winograd-4": 36, "winograd-6": 64, "products": 36}
    used = {fastest(channels, dtype, device, each) for each in _SIDES if each <= max(side, _SIDES[0])}
    compiled = library()
    lanes, panel = (compiled.lanes, compiled.panel) if compiled else (1, 1)
    out, into = (math.ceil(count / step) * step for count, step in zip(channels, (panel, lanes), strict=True))
    return sum(values.get(name, 9) * out * into for name in used) * dtype.itemsize


def _picture_side(channels: tuple[int, ...], pixels: int) -> int:
    """The largest of ``_SIDES`` that is not above the picture side of a map of ``pixels`` pixels; else the first."""
    side = pixels**0.5 * _stride(channels)
    return max((each for each in _SIDES if each <= side), default=_SIDES[0])


def _stride(channels: tuple[int, ...]) -> int:
    """The stride of a VGG layer with that many channels, in pixels of the picture."""
    return max(1, min(8, max(channels) // 64))


def _masked(
    convolve: Callable[..., Tensor],
    x: Tensor,
    bias: Tensor | None,
    pad: Pad,
    *,
    relu: bool = False,
    mask: Tensor | None = None,
) -> Tensor:
    if mask is not None:
        x = torch.ops.aten.threshold_backward(x, mask, 0)
    return convolve(x, bias, pad, relu=relu)


def _plain(kernel: Tensor, x: Tensor, bias: Tensor | None, pad: Pad, *, relu: bool) -> Tensor:
    border, inner = _even(pad)
    y = F.conv2d(x, kernel, bias, padding=border)
    return inner(y.relu_() if relu else y)


def _even(pad: Pad) -> tuple[tuple[int, int], Callable[[Tensor], Tensor]]:
    """Symmetric padding (rows, columns) that covers ``pad``, and a function that crops the excess from the result."""
    left, right, top, bottom = pad
    rows, columns = max(top, bottom), max(left, right)

    def inner(y: Tensor) -> Tensor:
        return y[:, :, rows - top : y.shape[2] - (rows - bottom)]

    return (rows, columns), inner


def _packs() -> bool:
    """Whether oneDNN can reorder a kernel in advance, and fuse the ReLU.

    torch.compile uses these two operators. They have no public names, so their absence is not an error.
    """
    return (
        bool(torch._C._has_mkldnn)
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_convolution_weight")
    )


def _packed(kernel: Tensor) -> Callable[..., Tensor]:
    # The picture's size is only a hint: the packed kernel works for any size.
    hint = [1, kernel.shape[1], 64, 64]
    packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(kernel, [1, 1], [1, 1], [1, 1], 1, hint)

    def convolve(x: Tensor, bias: Tensor | None, pad: Pad, *, relu: bool) -> Tensor:
        border, inner = _even(pad)
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, packed, bias, list(border), [1, 1], [1, 1], 1, "relu" if relu else "none", [], None
        )
        return inner(y)

    return convolve
