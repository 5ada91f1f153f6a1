"""3 × 3 convolutions for any network of frozen weights: fast on the processor, and autograd goes through them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from impasto.kernels.fastest import Fastest


class Packed:
    """A kernel, ready to be convolved with there and back.

    Args:
        kernel: (C_out, C_in, 3, 3), frozen: no gradient goes to it.

    Attributes:
        there: the convolution.
        back: its gradient: the convolution with the kernel turned round and its channels swapped.
    """

    def __init__(self, kernel: Tensor) -> None:
        kernel = kernel.detach().contiguous(memory_format=torch.channels_last)
        turned = kernel.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)
        self.there, self.back = Fastest(kernel), Fastest(turned)


def convolve(x: Tensor, packed: Packed, bias: Tensor | None = None, *, relu: bool = False) -> Tensor:
    """(N, C_out, H, W) of (N, C_in, H, W): the sum over 3 × 3 pixels, zeros beyond the edge, the bias, and the ReLU.

    Args:
        x: of the kernel's type, any memory format; channels last is what it is computed in, and what comes back.
        packed: the kernel.
        bias: (C_out,), or None.
        relu: cut off what is negative.
    """
    found: Tensor = _Convolve.apply(x, bias, packed, relu)  # type: ignore[no-untyped-call]
    return found


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor | None, packed: Packed, relu: bool) -> Tensor:
        y = packed.there(x.contiguous(memory_format=torch.channels_last), bias, (1, 1, 1, 1), relu=relu)
        ctx.packed = packed
        ctx.save_for_backward(y if relu else None)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        (mask,) = ctx.saved_tensors
        g = g.contiguous(memory_format=torch.channels_last)
        by_x = by_bias = None
        if ctx.needs_input_grad[0]:
            by_x = ctx.packed.back(g, None, (1, 1, 1, 1), mask=mask)
        if ctx.needs_input_grad[1]:
            by_bias = (g if mask is None else torch.ops.aten.threshold_backward(g, mask, 0)).sum((0, 2, 3))
        return by_x, by_bias, None, None
