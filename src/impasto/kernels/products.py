"""Winograd convolution from torch's operators, for bfloat16 and for machines without the compiled kernels.

(Winograd 1980; Lavin and Gray 2016, arXiv:1509.09308)

A tile of 4 × 4 outputs is computed from 6 × 6 inputs d as Aᵀ [(G k Gᵀ) ⊙ (Bᵀ d B)] A: 36 multiplications for a pair
of channels, where direct convolution takes 144. Over all tiles and channels these are 36 matrix products, which are
fast on every CPU. The transforms before and after them are cheap for many channels.

The textbook's interpolation points 0, ±1, ±2, ∞ are too inaccurate in bfloat16. With 0, ±√½, ±√2, ∞ the error is half
as large (0.8 % of a feature map, where direct convolution has 0.3 %; 2e-6 in float32).
"""

from __future__ import annotations

import threading
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.kernels.winograd import Pad

_OUT, _IN = 4, 6  # side of a tile in outputs, and in inputs
_CHUNK = 1 << 21  # values transformed at a time


class Products:
    """The convolution with one kernel, optionally followed by a bias and ReLU.

    Args:
        kernel: (C_out, C_in, 3, 3), float32 or bfloat16, on the CPU.
    """

    def __init__(self, kernel: Tensor) -> None:
        self._out, channels = kernel.shape[:2]
        into, g, back = (torch.kron(t, t) for t in _transforms())
        # In float32: in float64 this took half of the time before the first iteration of a small picture.
        taps = kernel.float().permute(2, 3, 1, 0).reshape(9, channels * self._out)
        self._u = (g.float() @ taps).to(kernel.dtype).view(_IN * _IN, channels, self._out)
        self._into, self._back = into.to(kernel.dtype), back.to(kernel.dtype)

    def __call__(self, x: Tensor, bias: Tensor | None, pad: Pad, *, relu: bool) -> Tensor:
        """(N, C_out, H', W') of (N, C_in, H, W), both channels last.

        Args:
            x: the input.
            bias: (C_out,), or None.
            pad: zero padding: left, right, top, bottom.
            relu: apply ReLU to the result.
        """
        n, c, _, _ = x.shape
        left, right, top, bottom = pad
        height, width = x.shape[2] + top + bottom - 2, x.shape[3] + left + right - 2
        rows, columns = -(-height // _OUT), -(-width // _OUT)
        beyond = (left, right + columns * _OUT - width, top, bottom + rows * _OUT - height)
        points = F.pad(x, beyond).permute(0, 2, 3, 1).contiguous()
        y = x.new_empty((n, height, width, self._out))
        step = max(1, _CHUNK // (_IN * _IN * columns * max(c, self._out)))
        several = max(
            1, step // rows
        )  # small pictures are processed together, which reads the kernel only once
        for picture in range(0, n, several):
            batch = slice(picture, picture + several)
            for first in range(0, rows, step):
                last = min(first + step, rows)
                band = points[batch, first * _OUT : last * _OUT + 2]
                self._tiles(band, (last - first, columns), y[batch, first * _OUT : last * _OUT], bias)
        y = y.permute(0, 3, 1, 2)
        return y.relu_() if relu else y

    def _tiles(self, x: Tensor, grid: tuple[int, int], y: Tensor, bias: Tensor | None) -> None:
        """Compute ``y`` (N, h, w, C_out) from ``x`` (N, h + 2 to h + 5, …, C_in)."""
        rows, columns = grid
        n, c = x.shape[0], x.shape[3]
        tiles = n * rows * columns
        picture, row, column, _ = x.stride()
        windows = x.as_strided(
            (_IN, _IN, n, rows, columns, c),
            (row, column, picture, _OUT * row, _OUT * column, 1),
            x.storage_offset(),
        )
        inputs = _scratch(0, x, _IN * _IN * tiles * c).view(windows.shape).copy_(windows)
        v = _scratch(1, x, inputs.numel()).view(_IN * _IN, tiles * c)
        torch.mm(self._into, inputs.view(_IN * _IN, tiles * c), out=v)
        m = _scratch(2, x, _IN * _IN * tiles * self._out).view(_IN * _IN, tiles, self._out)
        torch.bmm(v.view(_IN * _IN, tiles, c), self._u, out=m)
        outputs = _scratch(0, x, _OUT * _OUT * tiles * self._out).view(_OUT * _OUT, tiles * self._out)
        torch.mm(self._back, m.view(_IN * _IN, tiles * self._out), out=outputs)
        outputs = outputs.view(_OUT, _OUT, n, rows, columns, self._out)
        for i in range(_OUT):
            for j in range(_OUT):
                to = y[:, i::_OUT, j::_OUT]
                values = outputs[i, j, :, : to.shape[1], : to.shape[2]]
                if bias is None:
                    to.copy_(values)
                else:
                    torch.add(values, bias, out=to)


@lru_cache(maxsize=1)
def _transforms() -> tuple[Tensor, Tensor, Tensor]:
    """Bᵀ (6 × 6), G (6 × 3) and Aᵀ (4 × 6) by the Toom-Cook construction, in float64."""
    half = 0.5**0.5
    points = [0.0, half, -half, 2 * half, -2 * half]
    back = np.array([[p**i for p in points] + [float(i == _OUT - 1)] for i in range(_OUT)])
    g = np.zeros((_IN, 3))
    into = np.zeros((_IN, _IN))
    for i, p in enumerate(points):
        others = [q for q in points if q != p]
        g[i] = np.array([1.0, p, p * p]) / np.prod([p - q for q in others])
        into[i, :5] = np.poly(others)[::-1]
    g[-1, -1] = 1.0
    into[-1] = np.poly(points)[::-1]
    return torch.from_numpy(into), torch.from_numpy(g), torch.from_numpy(back)


_thread_local = threading.local()


def _scratch(number: int, like: Tensor, size: int) -> Tensor:
    """Scratch memory of ``size`` values, reused between calls: page faults in new memory cost more than the work."""
    buffers = _thread_local.__dict__.setdefault("buffers", {})
    key = (number, like.dtype)
    if key not in buffers or buffers[key].numel() < size:
        buffers[key] = like.new_empty(size)
    found: Tensor = buffers[key][:size]
    return found
