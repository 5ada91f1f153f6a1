"""Pooling and its gradient are torch's, to the last bit: ties, odd sizes and what is no number too."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from impasto.kernels.compiled import Library
from impasto.kernels.pooling import kernels_for, max_pool, max_pool_backward

pytestmark = pytest.mark.processor


@pytest.mark.parametrize(
    "shape", [(1, 64, 8, 8), (2, 64, 7, 9), (1, 32, 2, 3), (3, 16, 13, 2), (1, 128, 31, 40)]
)
@pytest.mark.parametrize("levels", [2, 1000])
def test_equals_torch(own: Library, shape: tuple[int, int, int, int], levels: int) -> None:
    torch.manual_seed(0)
    x = torch.randint(-levels, levels, shape).float().relu().contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    expected = F.max_pool2d(x, 2)
    g = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad(expected, x, g)
    assert torch.equal(max_pool(x.detach(), own), expected)
    assert torch.equal(max_pool_backward(g, x.detach(), own), gradient)


def test_what_is_no_number_stays(own: Library) -> None:
    x = torch.zeros(1, 16, 4, 4).contiguous(memory_format=torch.channels_last)
    x[0, 3, 1, 2] = float("nan")
    assert torch.equal(max_pool(x, own).isnan(), F.max_pool2d(x, 2).isnan())


def test_what_there_is_no_kernel_for() -> None:
    assert kernels_for(torch.zeros(1, 17, 4, 4)) is None
    assert kernels_for(torch.zeros(1, 64, 4, 4, dtype=torch.float64)) is None
    assert kernels_for(torch.zeros(1, 64, 4, 4, device="meta")) is None
