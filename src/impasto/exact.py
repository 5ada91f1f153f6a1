"""How exact a device computes: float64, which Metal does not have, and float32, which CUDA may round."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def exact_type(device: torch.device) -> torch.dtype:
    """The widest type of numbers that the device has."""
    return torch.float32 if device.type == "mps" else torch.float64


def exact(values: Tensor) -> Tensor:
    """The values in float64: where they are, or on the processor where their device has none."""
    return values.to("cpu" if values.device.type == "mps" else values.device, torch.float64)


@contextmanager
def float32_products(*, tf32: bool) -> Iterator[None]:
    """Within it CUDA multiplies float32 as such, or rounded to TF32 (10 bits of mantissa); on leaving as before.

    torch rounds in convolutions, and not in products of matrices, unless it is told otherwise.
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
