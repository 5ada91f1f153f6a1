"""Max pooling of 2 × 2 pixels and its gradient: the Python side of ``pooling.c``."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from impasto.kernels.compiled import Library, address, library, rows_of
from impasto.kernels.memory import empty_maps


class Job(ctypes.Structure):
    """The arguments of a pooling; the layout is that of ``Job`` in ``pooling.c``."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "g", "y", "next")),
        *(
            (name, ctypes.c_longlong)
            for name in (
                *("pictures", "height", "width", "channels"),
                *("x_picture", "x_row", "g_picture", "g_row", "y_picture", "y_row"),
            )
        ),
    )


def kernels_for(x: Tensor) -> Library | None:
    """The library whose kernels can pool ``x`` (N, C, H, W); None if there is none."""
    found = library() if x.device.type == "cpu" and x.dtype == torch.float32 else None
    return found if found is not None and x.shape[1] % found.lanes == 0 else None


def max_pool(x: Tensor, kernels: Library) -> Tensor:
    """(N, C, ⌊H/2⌋, ⌊W/2⌋) of (N, C, H, W), with the library that :func:`kernels_for` returned for it."""
    n, c, height, width = x.shape
    y = empty_maps((n, c, height // 2, width // 2))
    _run("impasto_max_pool", rows_of(x), None, y, kernels)
    return y


def max_pool_backward(g: Tensor, x: Tensor, kernels: Library) -> Tensor:
    """The gradient at ``x`` of :func:`max_pool`, given the gradient ``g`` at its result."""
    n, c, height, width = x.shape
    y = empty_maps((n, c, height, width))
    _run("impasto_max_pool_back", rows_of(x), rows_of(g), y, kernels)
    return y


def _run(name: str, x: Tensor, g: Tensor | None, y: Tensor, kernels: Library) -> None:
    n, c, height, width = x.shape
    job = Job(
        x=address(x),
        g=address(g),
        y=address(y),
        pictures=n,
        height=height,
        width=width,
        channels=c,
        x_picture=x.stride(0),
        x_row=x.stride(2),
        g_picture=0 if g is None else g.stride(0),
        g_row=0 if g is None else g.stride(2),
        y_picture=y.stride(0),
        y_row=y.stride(2),
    )
    kernels.run(name, job)
