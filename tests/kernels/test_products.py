"""Winograd's convolutions out of torch's operations are convolutions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from impasto.kernels import products
from impasto.kernels.products import Products

pytestmark = pytest.mark.processor

sides = st.integers(1, 23)
borders = st.integers(0, 2)


def _off(ours: torch.Tensor, plain: torch.Tensor) -> float:
    return float((ours.float() - plain).norm() / plain.norm())


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 4), sides, sides),
    channels=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    pad=st.tuples(borders, borders, borders, borders),
    seed=st.integers(0, 1000),
    chunk=st.sampled_from([1, 1 << 12, 1 << 15, 1 << 21]),
    with_bias=st.booleans(),
    relu=st.booleans(),
)
def test_equals_the_plain_convolution(
    sizes: tuple[int, int, int],
    channels: tuple[int, int],
    pad: tuple[int, int, int, int],
    seed: int,
    chunk: int,
    with_bias: bool,
    relu: bool,
) -> None:
    n, h, w = sizes
    h, w = max(h, 3 - pad[2] - pad[3]), max(w, 3 - pad[0] - pad[1])
    torch.manual_seed(seed)
    x = torch.randn(n, channels[0], h, w).to(memory_format=torch.channels_last)
    kernel, bias = torch.randn(channels[1], channels[0], 3, 3), torch.randn(channels[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "_CHUNK", chunk)
        ours = Products(kernel)(x, bias if with_bias else None, pad, relu=relu)
    plain = F.conv2d(F.pad(x, pad), kernel, bias if with_bias else None)
    plain = plain.relu() if relu else plain
    assert ours.shape == plain.shape
    assert ours.is_contiguous(memory_format=torch.channels_last)
    assert float((ours - plain).abs().max()) < 2e-5 * float(1 + plain.abs().max()) * channels[0] ** 0.5


def test_bfloat16_is_within_five_times_the_plain_sum() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 128, 30, 41).relu().to(memory_format=torch.channels_last)
    kernel = torch.randn(128, 128, 3, 3) / 34
    exact = F.conv2d(x, kernel, padding=1)
    rough = F.conv2d(x.bfloat16(), kernel.bfloat16(), padding=1)
    ours = Products(kernel.bfloat16())(x.bfloat16(), None, (1, 1, 1, 1), relu=False)
    assert _off(ours, exact) < 5 * _off(rough, exact) < 0.02
