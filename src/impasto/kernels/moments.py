"""Σ f and Σ f fᵀ over the pixels of a feature map, and their gradient: the Python side of ``moments.c``."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from impasto.kernels.compiled import Library, address, kept, library

_PARTS, _PART = 16, 512
"""Parts of the pixels that are added up by themselves, at most, and pixels of one, at least."""


class Job(ctypes.Structure):
    """A sum as ``moments.c`` reads it."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("features", "factors", "gradient", "sums", "next")),
        *((name, ctypes.c_longlong) for name in ("pixels", "channels", "parts")),
    )


def moments(points: Tensor) -> tuple[Tensor, Tensor] | None:
    """Σ f (N, C) and Σ f fᵀ (N, C, C) of features (N, P, C); None where there is no kernel for them."""
    own = library()
    if own is None or not all(_fits(each, own) for each in points):
        return None
    found = [_moments(each, own) for each in points]
    return torch.stack([first for first, _ in found]), torch.stack([second for _, second in found])


def add_products(gradient: Tensor, points: Tensor, factors: Tensor) -> bool:
    """Adds ``points @ factors`` to ``gradient``, in place: (N, P, C), (N, P, C) and (N, C, C).

    Returns:
        False, and nothing is changed, where there is no kernel for it.
    """
    own = library()
    if own is None or not all(_fits(each, own) for each in (*gradient, *points)):
        return False
    for to, of, by in zip(gradient, points, factors, strict=True):
        channels = by.shape[0]
        packed = by.view(channels, -1, own.panel).transpose(0, 1).contiguous()
        job = Job(
            features=address(of),
            factors=address(packed),
            gradient=address(to),
            pixels=of.shape[0],
            channels=channels,
        )
        own.run("impasto_moments_back", job)
    return True


def _fits(points: Tensor, own: Library) -> bool:
    return (
        points.device.type == "cpu"
        and points.dtype == torch.float32
        and points.is_contiguous()
        and points.shape[1] % own.panel == 0
    )


def _moments(points: Tensor, own: Library) -> tuple[Tensor, Tensor]:
    pixels, channels = points.shape
    panels, rows = channels // own.panel, own.rows
    size = own.number("impasto_moments_size", channels)
    parts = max(1, min(_PARTS, pixels // _PART))
    sums = kept(parts * size)
    job = Job(features=address(points), sums=address(sums), pixels=pixels, channels=channels, parts=parts)
    own.run("impasto_moments", job, own.number("impasto_moments_scratch", channels))
    total = sums[: parts * size].view(parts, size).sum(0)
    tiles = total[channels:].view(-1, panels, rows, own.panel).transpose(1, 2).reshape(-1, channels)
    # The last group of rows overlaps the one before it.
    whole = channels // rows * rows
    upper = torch.cat([tiles[:whole], tiles[whole:][whole - channels :]]) if whole < channels else tiles
    second = upper.triu()
    return total[:channels].clone(), second + second.triu(1).mT
