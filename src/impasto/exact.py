"""Numerical precision of a device: float64, which Metal lacks, and float32, which CUDA may round to TF32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def exact_type(device: torch.device) -> torch.dtype:
    """The widest floating-point type of the device."""
    return torch.float32 if device.type == "mps" else torch.float64


def exact(values: Tensor) -> Tensor:
    """The values in float64, on their device or, where that has no float64, on the CPU."""
    return values.to("cpu" if values.device.type == "mps" else values.device, torch.float64)


@contextmanager
def float32_products(*, tf32: bool) -> Iterator[None]:
    """Within the block, CUDA multiplies float32 in full precision or rounded to TF32 (10 bits of mantissa).

    By default torch rounds in convolutions, but not in matrix products. The end of the block restores the settings.
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
