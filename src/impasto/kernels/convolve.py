"""3 × 3 convolutions for any network with frozen weights: fast on the CPU, and differentiable by autograd."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from impasto.kernels.fastest import Fastest


class Packed:
    """A kernel, prepared for the forward and the backward pass.

    Args:
        kernel: (C_out, C_in, 3, 3), frozen: it gets no gradient.

    Attributes:
        forward: the convolution.
        backward: its gradient: the convolution with the kernel rotated by 180° and its channel axes swapped.
    """

    def __init__(self, kernel: Tensor) -> None:
        kernel = kernel.detach().contiguous(memory_format=torch.channels_last)
        rotated = kernel.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)
        self.forward, self.backward = Fastest(kernel), Fastest(rotated)


def convolve(x: Tensor, packed: Packed, bias: Tensor | None = None, *, relu: bool = False) -> Tensor:
    """The convolution of (N, C_in, H, W) with zero padding of 1, plus the bias, and optionally ReLU: (N, C_out, H,
    W).

    Args:
        x: in the kernel's dtype and any memory format. Channels last avoids a copy, and is the format of the result.
        packed: the kernel.
        bias: (C_out,), or None.
        relu: apply ReLU to the result.
    """
    found: Tensor = _Convolve.apply(x, bias, packed, relu)  # type: ignore[no-untyped-call]
    return found


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor | None, packed: Packed, relu: bool) -> Tensor:
        y = packed.forward(x.contiguous(memory_format=torch.channels_last), bias, (1, 1, 1, 1), relu=relu)
        ctx.packed = packed
        ctx.save_for_backward(y if relu else None)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        (mask,) = ctx.saved_tensors
        g = g.contiguous(memory_format=torch.channels_last)
        by_x = by_bias = None
        if ctx.needs_input_grad[0]:
            by_x = ctx.packed.backward(g, None, (1, 1, 1, 1), mask=mask)
        if ctx.needs_input_grad[1]:
            by_bias = (g if mask is None else torch.ops.aten.threshold_backward(g, mask, 0)).sum((0, 2, 3))
        return by_x, by_bias, None, None
