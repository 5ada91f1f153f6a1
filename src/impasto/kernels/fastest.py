"""Ways to convolve, and the choice between them: by what each takes on this machine, measured once."""

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
"""Of the kernels: what was measured with another is measured again."""

# Sides of the pictures that ways are compared for. A map of C channels is as large as in VGG for such a picture.
_SIDES = (96, 192, 384)

# Channels in × out up to which tiles of 6 are tried. Beyond, they are a twentieth faster at the most, and a kernel as
# they need it takes 67 MB instead of 38.
_LARGEST_SIX = 256 * 256

# Channels from which torch's own matrix products pay for Winograd's way.
_LEAST_CHANNELS = 128


class Convolve(Protocol):
    """A 3 × 3 convolution of (N, C_in, H, W), channels last."""

    def __call__(
        self, x: Tensor, bias: Tensor | None, pad: Pad, *, relu: bool = False, mask: Tensor | None = None
    ) -> Tensor:
        """The picture with ``pad`` zeros around it, convolved; its ReLU if asked for.

        Args:
            mask: like ``x``, which counts as zero where this is not above zero.
        """
        ...


class Fastest:
    """The convolution with one kernel, each size of picture by the fastest way that this machine has.

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
    """Name -> how to prepare it, of the ways to convolve with that kernel here; torch's own comes last.

    Args:
        kernel: (C_out, C_in, 3, 3).
        device: where it will be, for one that has no values yet.
    """
    found: dict[str, Callable[[], Convolve]] = {}
    device = device or kernel.device
    computed = (torch.float32, torch.bfloat16) if processor().bfloat16 else (torch.float32,)
    known = device.type == "cpu" and kernel.dtype in computed
    own = library() if known and kernel.dtype == torch.float32 else None
    if own is not None:
        sides: tuple[Side, ...] = (4, 6) if kernel.shape[0] * kernel.shape[1] <= _LARGEST_SIX else (4,)
        found |= {f"winograd-{side}": partial(Winograd, kernel, side, own) for side in sides}
    elif known and min(kernel.shape[:2]) >= _LEAST_CHANNELS:
        found["products"] = lambda: partial(_masked, Products(kernel))
    if known and _packs():
        found["direct"] = lambda: partial(_masked, _packed(kernel))
    else:
        found["plain"] = lambda: partial(_masked, partial(_plain, kernel))
    return found


def fastest(channels: tuple[int, ...], dtype: torch.dtype, device: torch.device, side: int) -> str:
    """The name of the way that takes least for maps of pictures of about that many pixels a side.

    Args:
        channels: out, in.
    """
    out, into = channels
    kernel = torch.empty(out, into, 3, 3, dtype=dtype, device="meta" if device.type == "cpu" else device)
    names = list(ways(kernel, device))
    if side > _SIDES[0] and names[0].startswith("winograd"):
        names.pop()  # torch's: only where there are few tiles to share a kernel
    if len(names) == 1:
        return names[0]

    def measure() -> str:
        stride = _stride(channels)
        generator = torch.Generator().manual_seed(0)  # nobody else's numbers are drawn
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

    own = library()
    kind = f"{str(dtype).removeprefix('torch.')} {own.extension if own else 'torch'}"
    question = f"convolution {into} {out} at {side} {kind}"
    return measured(question, measure, revision=REVISION, accept=names.__contains__)


def kernel_bytes(channels: tuple[int, int], dtype: torch.dtype, device: torch.device, side: float) -> int:
    """What is kept of a kernel of those channels, out and in, when pictures up to ``side`` pixels are worked at."""
    values = {"winograd-4": 36, "winograd-6": 64, "products": 36}
    used = {fastest(channels, dtype, device, each) for each in _SIDES if each <= max(side, _SIDES[0])}
    own = library()
    lanes, panel = (own.lanes, own.panel) if own else (1, 1)
    out, into = (math.ceil(count / step) * step for count, step in zip(channels, (panel, lanes), strict=True))
    return sum(values.get(name, 9) * out * into for name in used) * dtype.itemsize


def _picture_side(channels: tuple[int, ...], pixels: int) -> int:
    """Which of the compared sizes comes next to a map of so many pixels, from below; the first if none does."""
    side = pixels**0.5 * _stride(channels)
    return max((each for each in _SIDES if each <= side), default=_SIDES[0])


def _stride(channels: tuple[int, ...]) -> int:
    """Pixels of the picture from one of the map's to the next, in VGG, for that many channels."""
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
    """A border as wide on both sides (rows, columns), and how to cut from the result what is too much."""
    left, right, top, bottom = pad
    rows, columns = max(top, bottom), max(left, right)

    def inner(y: Tensor) -> Tensor:
        return y[:, :, rows - top : y.shape[2] - (rows - bottom)]

    return (rows, columns), inner


def _packs() -> bool:
    """Whether oneDNN can hold a kernel in its own order and apply ReLU before it writes the result.

    These two operators are those that torch.compile uses; they have no public name, so their absence is no error.
    """
    return (
        bool(torch._C._has_mkldnn)
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_convolution_weight")
    )


def _packed(kernel: Tensor) -> Callable[..., Tensor]:
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
