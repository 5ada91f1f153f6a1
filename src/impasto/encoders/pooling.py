"""Pooling of strips of rows, forward and backward.

Every pooling halves a map: output pixel i covers the input pixels 2i and 2i + 1. A pooling may read ``reach`` more
rows on both sides. A strip includes these rows, except at the map's edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.kernels.pooling import kernels_for, max_pool, max_pool_backward

_BAND = 1 << 21  # bytes


class Pool(Protocol):
    """A pooling of a strip (N, C, h, W): some rows of a map.

    Attributes:
        reach: rows that it reads beyond those that it pools, on each side.
    """

    @property
    def reach(self) -> int: ...

    def forward(self, x: Tensor, *, top: bool, bottom: bool) -> Tensor:
        """The pooled rows.

        Args:
            x: the strip, with ``reach`` more rows than are pooled at each end that is not the map's edge.
            top, bottom: whether the strip includes the first or the last row of the map.
        """
        ...

    def backward(self, g: Tensor, x: Tensor, *, top: bool, bottom: bool) -> Tensor:
        """The gradient at ``x`` of :meth:`forward`, given the gradient ``g`` at its result."""
        ...


class MaxPool:
    """Maxima of 2 × 2 pixels."""

    reach = 0

    def forward(self, x: Tensor, *, top: bool, bottom: bool) -> Tensor:
        kernels = kernels_for(x)
        return F.max_pool2d(x, 2) if kernels is None else max_pool(x, kernels)

    def backward(self, g: Tensor, x: Tensor, *, top: bool, bottom: bool) -> Tensor:
        if (kernels := kernels_for(x)) is not None:
            return max_pool_backward(g, x, kernels)
        # Recomputed here, since torch's indices of the maxima take 8 bytes each.
        _, where = F.max_pool2d(x, 2, return_indices=True)
        gradient: Tensor = torch.ops.aten.max_pool2d_with_indices_backward(
            g, x, [2, 2], [2, 2], [0, 0], [1, 1], False, where
        )
        return gradient


@dataclass(frozen=True)
class AveragePool:
    """Means of 2 × 2 pixels, times ``factor``."""

    factor: float
    reach = 0

    def forward(self, x: Tensor, *, top: bool, bottom: bool) -> Tensor:
        return F.avg_pool2d(x, 2) * self.factor

    def backward(self, g: Tensor, x: Tensor, *, top: bool, bottom: bool) -> Tensor:
        gradient: Tensor = torch.ops.aten.avg_pool2d_backward(
            g * self.factor, x, [2, 2], [2, 2], [0, 0], False, True, None
        )
        return gradient


@dataclass(frozen=True)
class L2Pool:
    """Roots of the sum of the squares of 2 × 2 pixels, times ``factor``."""

    factor: float
    reach = 0

    def forward(self, x: Tensor, *, top: bool, bottom: bool) -> Tensor:
        return F.lp_pool2d(x, 2.0, 2) * self.factor

    def backward(self, g: Tensor, x: Tensor, *, top: bool, bottom: bool) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.forward(x, top=top, bottom=bottom), x, g)
        return gradient


class MaxBlurPool:
    """Anti-aliased max pooling (Zhang 2019, arXiv:1904.11486): dense maxima, blurred by [1 2 1] / 4, with stride 2.

    Max pooling subsamples the maxima without a blur, so its result changes when the picture shifts by one pixel. Here
    m_j = max(x_j, x_j+1), and output pixel i is (m_2i−1 + 2 m_2i + m_2i+1) / 4, symmetric about the centre of the
    same two pixels. At the edges of the map, m is the single pixel there. The blur applies along rows and columns.

    Maxima are computed along rows and then along columns, in bands that fit the CPU's cache. The backward pass needs
    no indices.
    """

    reach = 1

    def forward(self, x: Tensor, *, top: bool, bottom: bool) -> Tensor:
        bands = _bands(x, top=top, bottom=bottom)
        return torch.cat([_pooled(x[:, :, band.rows], band.top, band.bottom) for band in bands], 2)

    def backward(self, g: Tensor, x: Tensor, *, top: bool, bottom: bool) -> Tensor:
        gradient = torch.zeros_like(x)
        for band in _bands(x, top=top, bottom=bottom):
            more = _unpooled(g[:, :, band.pooled], x[:, :, band.rows], band.top, band.bottom)
            gradient[:, :, band.rows] += more
        return gradient


@dataclass(frozen=True)
class _Band:
    """A band of rows of a strip.

    Attributes:
        rows: rows of the strip, one more than are pooled at each end that is not the map's edge.
        pooled: the rows of the result.
        top, bottom: whether the band includes the first or the last row of the map.
    """

    rows: slice
    pooled: slice
    top: bool
    bottom: bool


def _bands(x: Tensor, *, top: bool, bottom: bool) -> list[_Band]:
    """A strip (N, C, h, W) cut evenly into bands of about :data:`_BAND` bytes."""
    n, channels, height, width = x.shape
    start = 0 if top else 1  # first row that is pooled
    count = (height - start - (0 if bottom else 1)) // 2
    step = max(1, _BAND // (2 * n * channels * width * x.element_size()))
    if x.device.type != "cpu":  # a GPU is faster with few kernel launches
        step = max(1, count)
    found = []
    for first in range(0, count, step):
        last = min(first + step, count)
        begins, ends = top and first == 0, bottom and last == count
        rows = slice(0 if begins else start + 2 * first - 1, height if ends else start + 2 * last + 1)
        found.append(_Band(rows, slice(first, last), begins, ends))
    return found


def _pooled(x: Tensor, top: bool, bottom: bool) -> Tensor:
    maxima = _maxima(_maxima(x, 3), 2, first=top, last=bottom)
    return F.conv2d(maxima, _blur(x), stride=2, groups=x.shape[1])


def _unpooled(g: Tensor, x: Tensor, top: bool, bottom: bool) -> Tensor:
    """The gradient at ``x`` of :func:`_pooled`."""
    along = _maxima(x, 3)
    # The gradient of the blur is the blur of the gradient upsampled with zeros: in bfloat16 this convolution is
    # faster than a transposed convolution.
    n, channels, height, width = along.shape
    spread = g.new_zeros(n, height + top + bottom - 1, width, channels).permute(0, 3, 1, 2)
    spread[:, :, 1 : 2 * g.shape[2] : 2, 1 : 2 * g.shape[3] : 2] = g
    g = F.conv2d(spread, _blur(x), padding=1, groups=channels)
    return _chosen(_chosen(g, along, 2, first=top, last=bottom), x, 3)


def _blur(x: Tensor) -> Tensor:
    """The kernel [1 2 1] / 4 along rows and columns, (C, 1, 3, 3), for the channels of ``x``."""
    return _square(x.dtype, x.device).expand(x.shape[1], 1, 3, 3)


@lru_cache(maxsize=8)
def _square(dtype: torch.dtype, device: torch.device) -> Tensor:
    # Cached: a new tensor would mean a synchronisation with a GPU at every pooling.
    with torch.inference_mode(False):
        line = torch.tensor([0.25, 0.5, 0.25], dtype=dtype, device=device)
        return line[:, None] * line


def _maxima(x: Tensor, dim: int, *, first: bool = True, last: bool = True) -> Tensor:
    """The maximum of each two neighbours along ``dim``; at an end that is the map's edge, the pixel itself."""
    count = x.shape[dim] - 1
    inner = torch.maximum(x.narrow(dim, 0, count), x.narrow(dim, 1, count))
    ends = [x.narrow(dim, 0, 1)] * first, [x.narrow(dim, count, 1)] * last
    return torch.cat([*ends[0], inner, *ends[1]], dim)


def _chosen(g: Tensor, x: Tensor, dim: int, *, first: bool = True, last: bool = True) -> Tensor:
    """The gradient at ``x`` of :func:`_maxima`: it flows to the larger pixel of each pair."""
    count = x.shape[dim] - 1
    inner = g.narrow(dim, int(first), count)
    lead = x.narrow(dim, 0, count) - x.narrow(dim, 1, count)
    to_first = torch.ops.aten.threshold_backward(inner, lead, 0)
    to_second = inner - to_first
    beyond = g.narrow(dim, -1, 1) if last else torch.zeros_like(x.narrow(dim, 0, 1))
    gradient = torch.cat([to_first, beyond], dim)
    gradient.narrow(dim, 1, count).add_(to_second)
    if first:
        gradient.select(dim, 0).add_(g.select(dim, 0))
    return gradient
