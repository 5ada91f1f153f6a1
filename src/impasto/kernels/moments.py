"""Σ f and Σ f fᵀ over the pixels of a feature map, and their gradient: the Python side of ``moments.c``."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from impasto.kernels.compiled import Library, address, library, scratch_buffer

_PARTS, _PART = 16, 512
"""The largest number of parts that the pixels are divided into for partial sums, and the fewest pixels of a part."""


class Job(ctypes.Structure):
    """The arguments of a sum; the layout is that of ``Job`` in ``moments.c``."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("features", "factors", "gradient", "sums", "next")),
        *((name, ctypes.c_longlong) for name in ("pixels", "channels", "parts")),
    )


def moments(points: Tensor) -> tuple[Tensor, Tensor] | None:
    """Σ f (N, C) and Σ f fᵀ (N, C, C) of features (N, P, C); None if no kernel supports them."""
    kernels = library()
    if kernels is None or not all(_fits(each, kernels) for each in points):
        return None
    found = [_moments(each, kernels) for each in points]
    return torch.stack([first for first, _ in found]), torch.stack([second for _, second in found])


def add_products(gradient: Tensor, points: Tensor, factors: Tensor) -> bool:
    """Add ``points @ factors`` to ``gradient``, in place.

    Args:
        gradient: (N, P, C).
        points: (N, P, C).
        factors: (N, C, C).

    Returns:
        whether it was done; False, without any change, if no kernel supports the tensors.
    """
    kernels = library()
    if kernels is None or not all(_fits(each, kernels) for each in (*gradient, *points)):
        return False
    for to, of, by in zip(gradient, points, factors, strict=True):
        channels = by.shape[0]
        packed = by.view(channels, -1, kernels.panel).transpose(0, 1).contiguous()
        job = Job(
            features=address(of),
            factors=address(packed),
            gradient=address(to),
            pixels=of.shape[0],
            channels=channels,
        )
        kernels.run("impasto_moments_back", job)
    return True


def _fits(points: Tensor, kernels: Library) -> bool:
    return (
        points.device.type == "cpu"
        and points.dtype == torch.float32
        and points.is_contiguous()
        and points.shape[1] % kernels.panel == 0
    )


def _moments(points: Tensor, kernels: Library) -> tuple[Tensor, Tensor]:
    pixels, channels = points.shape
    panels, rows = channels // kernels.panel, kernels.rows
    size = kernels.number("impasto_moments_size", channels)
    parts = max(1, min(_PARTS, pixels // _PART))
    sums = scratch_buffer(parts * size)
    job = Job(features=address(points), sums=address(sums), pixels=pixels, channels=channels, parts=parts)
    kernels.run("impasto_moments", job, kernels.number("impasto_moments_scratch", channels))
    total = sums[: parts * size].view(parts, size).sum(0)
    tiles = total[channels:].view(-1, panels, rows, kernels.panel).transpose(1, 2).reshape(-1, channels)
    # The last group of rows overlaps the one before it.
    full = channels // rows * rows
    upper = torch.cat([tiles[:full], tiles[full:][full - channels :]]) if full < channels else tiles
    second = upper.triu()
    return total[:channels].clone(), second + second.triu(1).mT
