"""The fused convolutions are convolutions, in every library, on any sizes and any number of threads."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from impasto.kernels import winograd
from impasto.kernels.compiled import Library, libraries
from impasto.kernels.winograd import Pad, Side, Winograd

pytestmark = pytest.mark.processor

LARGEST_ERROR: dict[Side, float] = {4: 3e-6, 6: 2e-5}
sides = st.integers(1, 27)
borders = st.integers(0, 2)


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def plain(x: Tensor, kernel: Tensor, bias: Tensor | None, pad: Pad) -> Tensor:
    return F.conv2d(F.pad(x.double(), pad), kernel.double(), None if bias is None else bias.double())


def off(ours: Tensor, exact: Tensor) -> float:
    return float((ours - exact).norm() / exact.norm().clamp_min(1e-30))


@settings(max_examples=60, deadline=None)
@given(
    which=st.integers(0, 2),
    side=st.sampled_from([4, 6]),
    sizes=st.tuples(st.integers(1, 3), sides, sides),
    channels=st.tuples(st.sampled_from([3, 16, 40, 64]), st.sampled_from([3, 32, 64])),
    pad=st.tuples(borders, borders, borders, borders),
    seed=st.integers(0, 1000),
    with_bias=st.booleans(),
    then=st.sampled_from(["nothing", "relu", "mask", "mask, relu"]),
    together=st.booleans(),
)
def test_equals_the_plain_convolution(
    which: int,
    side: Side,
    sizes: tuple[int, int, int],
    channels: tuple[int, int],
    pad: Pad,
    seed: int,
    with_bias: bool,
    then: str,
    together: bool,
) -> None:
    found = libraries()
    if not found:
        pytest.skip("no kernels for this processor")
    n, h, w = sizes
    h, w = max(h, 3 - pad[2] - pad[3]), max(w, 3 - pad[0] - pad[1])
    torch.manual_seed(seed)
    x = torch.randn(n, channels[0], h, w).to(memory_format=torch.channels_last)
    kernel, bias = torch.randn(channels[1], channels[0], 3, 3), torch.randn(channels[1])
    mask = torch.randn_like(x) if "mask" in then else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "_CACHED_KERNEL", 0 if together else 1 << 60)
        patch.setattr(winograd, "_MANY", 1 << 18)  # several rounds
        ours = Winograd(kernel, side, found[which % len(found)])(
            x, bias if with_bias else None, pad, relu="relu" in then, mask=mask
        )
    exact = plain(x if mask is None else x * (mask > 0), kernel, bias if with_bias else None, pad)
    exact = exact.relu() if "relu" in then else exact
    assert ours.shape == exact.shape
    # A sum of normal numbers that cancels, or that the ReLU removes, is no measure of the rounding.
    usual = math.sqrt(9 * channels[0] * exact.numel())
    assert float((ours - exact).norm()) < LARGEST_ERROR[side] * usual


@pytest.mark.parametrize("side", [4, 6])
@pytest.mark.parametrize("channels", [(64, 64), (512, 512)])
def test_every_number_of_threads_finds_the_same(
    own: Library, side: Side, channels: tuple[int, int], threads: int
) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, channels[0], 33, 29).to(memory_format=torch.channels_last)
    kernel = torch.randn(channels[1], channels[0], 3, 3) / 48
    found = Winograd(kernel, side, own)(x, None, (1, 1, 1, 1))
    assert off(found, plain(x, kernel, None, (1, 1, 1, 1))) < LARGEST_ERROR[side]
    torch.set_num_threads(1)
    assert torch.equal(found, Winograd(kernel, side, own)(x, None, (1, 1, 1, 1)))


def test_rows_of_a_larger_map(own: Library) -> None:
    torch.manual_seed(0)
    whole = torch.randn(1, 64, 40, 24).to(memory_format=torch.channels_last)
    kernel = torch.randn(64, 64, 3, 3) / 24
    rows = whole[:, :, 7:30]
    assert torch.equal(
        Winograd(kernel, 4, own)(rows, None, (1, 1, 0, 1)),
        Winograd(kernel, 4, own)(rows.contiguous(memory_format=torch.channels_last), None, (1, 1, 0, 1)),
    )


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_hidden_by_the_relu(own: Library, bad: float) -> None:
    x = torch.zeros(1, 64, 12, 12).to(memory_format=torch.channels_last)
    x[0, 5, 6, 6] = bad
    kernel = torch.ones(64, 64, 3, 3)
    assert not Winograd(kernel, 4, own)(x, None, (1, 1, 1, 1), relu=True).isfinite().all()


def test_a_minus_zero_of_the_mask_counts_as_zero(own: Library) -> None:
    x = torch.ones(1, 64, 8, 8).to(memory_format=torch.channels_last)
    found = Winograd(torch.ones(64, 64, 3, 3), 4, own)(x, None, (1, 1, 1, 1), mask=-torch.zeros_like(x))
    assert not found.any()
