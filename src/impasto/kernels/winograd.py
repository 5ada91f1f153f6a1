"""Fused 3 × 3 Winograd convolutions: the Python side of ``winograd.c``."""

from __future__ import annotations

import ctypes
import math
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.kernels.compiled import Library, address, rows_of, scratch_buffer
from impasto.kernels.memory import empty_maps

Pad = tuple[int, int, int, int]
"""Left, right, top, bottom."""

Side = Literal[4, 6]
"""The side of a tile of outputs. 4 takes a quarter of direct convolution's multiplications, 6 a fifth.

Side 6 has five times the error of side 4.
"""

_POINTS: dict[Side, tuple[float, ...]] = {
    4: (0.0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5)),
    6: (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5),
}
"""Interpolation points besides infinity (Toom-Cook); they must be those of the C file."""

# Bytes. A transformed kernel of up to _CACHED_KERNEL stays in the cache, and each thread rereads it for every block
# of tiles, which takes _FEW. A larger kernel is read from main memory, for blocks as large as possible: _MANY.
_CACHED_KERNEL, _FEW, _MANY = 20 << 20, 400 << 10, 16 << 20


class Job(ctypes.Structure):
    """The arguments of a convolution; the layout is that of ``Job`` in ``winograd.c``."""

    _fields_ = (
        *(
            (name, ctypes.c_void_p)
            for name in ("x", "mask", "kernel", "bias", "y", "next", "shared", "steps")
        ),
        *(
            (name, ctypes.c_longlong)
            for name in (
                *("tiles", "height", "width", "channels", "out_height", "out_width", "filters"),
                *("x_picture", "x_row", "mask_picture", "mask_row", "y_picture", "y_row"),
                *("top", "left", "relu", "block"),
            )
        ),
    )


class Winograd:
    """The convolution with one kernel, optionally followed by a bias and ReLU.

    Args:
        kernel: (C_out, C_in, 3, 3). Channels are padded with zeros to a multiple of the vector length.
        side: the side of a tile.
        library: the compiled kernels to use.
    """

    def __init__(self, kernel: Tensor, side: Side, library: Library) -> None:
        self._library, self._side = library, side
        self._out_channels = kernel.shape[0]
        more_out, more_in = -kernel.shape[0] % library.panel, -kernel.shape[1] % library.lanes
        kernel = F.pad(kernel.float(), (0, 0, 0, 0, 0, more_in, 0, more_out))
        self._filters, self._channels = kernel.shape[:2]
        points = (side + 2) ** 2
        taps = kernel.permute(2, 3, 1, 0).reshape(9, self._channels * self._filters)
        by_point = (_into(side) @ taps).view(points, self._channels, -1, library.panel)
        self._kernel = by_point.permute(0, 2, 1, 3).contiguous()
        self._no_bias = torch.zeros(self._filters)

    def __call__(
        self, x: Tensor, bias: Tensor | None, pad: Pad, *, relu: bool = False, mask: Tensor | None = None
    ) -> Tensor:
        """(N, C_out, H', W') of (N, C_in, H, W), float32, channels last.

        Args:
            x: the input.
            bias: (C_out,), or None.
            pad: zero padding, 0 to 2 on each side.
            relu: apply ReLU to the result.
            mask: shaped as ``x``; ``x`` counts as zero where the mask is not above zero. In a backward pass it is the
                result of the ReLU.
        """
        n, c, height, width = x.shape
        if c != self._channels:
            x = F.pad(x, (0, 0, 0, 0, 0, self._channels - c))
            mask = None if mask is None else F.pad(mask, (0, 0, 0, 0, 0, self._channels - c))
        x = rows_of(x)
        mask = None if mask is None else rows_of(mask)
        if bias is None:
            bias = self._no_bias
        elif bias.numel() < self._filters:
            bias = F.pad(bias, (0, self._filters - bias.numel()))
        left, right, top, bottom = pad
        y = empty_maps((n, self._filters, height + top + bottom - 2, width + left + right - 2))
        tiles = n * math.ceil(y.shape[2] / self._side) * math.ceil(y.shape[3] / self._side)
        block, together = self._block(tiles)
        room = self._number("room", self._channels, self._filters, block)
        edge = self._number("edge", self._channels, self._filters)
        shared = scratch_buffer(room) if together else None
        steps = (ctypes.c_longlong * 6)()
        job = Job(
            x=address(x),
            mask=address(mask),
            kernel=address(self._kernel),
            bias=address(bias),
            y=address(y),
            shared=address(shared),
            steps=ctypes.addressof(steps),
            tiles=tiles,
            height=height,
            width=width,
            channels=self._channels,
            out_height=y.shape[2],
            out_width=y.shape[3],
            filters=self._filters,
            x_picture=x.stride(0),
            x_row=x.stride(2),
            mask_picture=0 if mask is None else mask.stride(0),
            mask_row=0 if mask is None else mask.stride(2),
            y_picture=y.stride(0),
            y_row=y.stride(2),
            top=top,
            left=left,
            relu=relu,
            block=block,
        )
        self._library.run(f"impasto_winograd{self._side}", job, edge + (0 if together else room))
        return y[:, : self._out_channels]

    def _number(self, name: str, *arguments: int) -> int:
        return self._library.number(f"impasto_{name}{self._side}", *arguments)

    def _block(self, tiles: int) -> tuple[int, bool]:
        """The number of tiles in a block, and whether all threads work on the same block."""
        each = 4 * (self._side + 2) ** 2 * (self._channels + self._filters)
        together = self._kernel.nbytes > _CACHED_KERNEL
        workers = 1 if together else torch.get_num_threads()
        room = _MANY if together else _FEW
        # Blocks have about the same size, so that no thread idles.
        rounds = max(1, math.ceil(tiles * each / (room * workers)))
        rows = self._library.rows
        return max(1, math.ceil(tiles / (workers * rounds) / rows)) * rows, together


@lru_cache(maxsize=2)
def _into(side: Side) -> Tensor:
    """G ⊗ G, ((side + 2)², 9): it maps a 3 × 3 kernel to its values at the points."""
    points = _POINTS[side]
    g = np.zeros((side + 2, 3))
    for i, p in enumerate(points):
        g[i] = np.array([1.0, p, p * p]) / np.prod([p - q for q in points if q != p])
    g[-1, -1] = 1.0
    return torch.from_numpy(np.kron(g, g)).float()
