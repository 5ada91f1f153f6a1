"""Autograd goes through convolutions with packed kernels as through torch's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.kernels.convolve import Packed, convolve

pytestmark = pytest.mark.processor


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("channels", [(3, 64), (64, 64), (24, 40)])
def test_forward_and_backward_equal_torch(relu: bool, channels: tuple[int, int]) -> None:
    torch.manual_seed(0)
    kernel, bias = torch.randn(channels[1], channels[0], 3, 3) / 20, torch.randn(channels[1])
    x = torch.randn(2, channels[0], 37, 22)

    def run(of: Tensor, by: Tensor, ours: bool) -> tuple[Tensor, ...]:
        of, by = of.clone().requires_grad_(), by.clone().requires_grad_()
        if ours:
            y = convolve(of, Packed(kernel), by, relu=relu)
        else:
            y = F.conv2d(of, kernel.to(of.dtype), by, padding=1)
            y = y.relu() if relu else y
        return y.detach(), *torch.autograd.grad(
            (y * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum(), (of, by)
        )

    for ours, exact in zip(run(x, bias, True), run(x.double(), bias.double(), False), strict=True):
        assert float((ours - exact).norm() / exact.norm()) < 3e-5


def test_gradients_in_float64() -> None:
    torch.manual_seed(0)
    packed = Packed(torch.randn(4, 3, 3, 3, dtype=torch.float64))
    x = torch.randn(1, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, b: convolve(x, packed, b, relu=True), (x, bias))
