"""The laws of the summary: pieces add up, blends are shares."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from impasto.losses.gram import Gram
from impasto.losses.moments import Moments
from impasto.losses.summary import add, blend

pytestmark = pytest.mark.processor


def _features(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _close(a: Moments, b: Moments) -> None:
    assert a.count == pytest.approx(b.count)
    torch.testing.assert_close(a.first, b.first)
    torch.testing.assert_close(a.second, b.second)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.data())
def test_two_pieces_add_up_to_the_whole(height: int, width: int, data: st.DataObject) -> None:
    f = _features(2, 3, height, width)
    row = data.draw(st.integers(1, height - 1))
    _close(add(Moments.of(f[:, :, :row]), Moments.of(f[:, :, row:])), Moments.of(f))


def test_mean_and_covariance() -> None:
    f = _features(1, 3, 6, 7)
    flat = f[0].flatten(1)
    moments = Moments.of(f)
    torch.testing.assert_close(moments.mean[0], flat.mean(1))
    torch.testing.assert_close(moments.covariance[0], torch.cov(flat, correction=0))


def test_low_precision_features_are_summed_in_float32() -> None:
    moments = Moments.of(torch.ones(1, 2, 40, 40, dtype=torch.bfloat16))
    assert moments.second.dtype == torch.float32
    assert float(moments.first[0, 0]) == 1600


@pytest.mark.parametrize(("height", "width", "channels"), [(40, 40, 2), (37, 41, 3), (5, 7, 16)])
def test_low_precision_sums_are_close(height: int, width: int, channels: int) -> None:
    f = _features(2, channels, height, width).to(torch.bfloat16)
    rough, exact = Moments.of(f), Moments.of(f.double())
    assert rough.second.dtype == torch.float32
    torch.testing.assert_close(rough.second.double(), exact.second, rtol=5e-3, atol=0)
    torch.testing.assert_close(rough.first.double(), exact.first, rtol=5e-3, atol=0)


def test_gradients_of_the_sums() -> None:
    def first(f: Tensor) -> Tensor:
        return Moments.of(f).first

    def second(f: Tensor) -> Tensor:
        return Moments.of(f).second

    def both(f: Tensor) -> Tensor:
        return Moments.of(f).covariance

    for function in (first, second, both):
        assert torch.autograd.gradcheck(function, (_features(2, 3, 3, 4).requires_grad_(),))


def test_a_blend_of_equal_styles_is_the_style() -> None:
    style = Moments.of(_features(1, 3, 5, 5))
    _close(blend([style, style], [0.3, 0.7]), style)


def test_shares_do_not_depend_on_the_pictures_sizes() -> None:
    one, other = _features(1, 3, 4, 4), _features(1, 3, 4, 4, seed=1)
    large = other.repeat(1, 1, 3, 2)  # the same statistics over six times as many pixels
    gram = Gram()
    small_blend = gram.matrix(blend([Moments.of(one), Moments.of(other)], [0.4, 0.6]))
    large_blend = gram.matrix(blend([Moments.of(one), Moments.of(large)], [0.4, 0.6]))
    torch.testing.assert_close(small_blend, large_blend)


def test_towards_a_blend_is_the_weighted_sum_of_gradients() -> None:
    gram, shares = Gram(), (0.25, 0.75)
    styles = [Moments.of(_features(1, 3, 5, 5, seed=s)) for s in (1, 2)]
    f = _features(1, 3, 4, 4).requires_grad_()
    (to_blend,) = torch.autograd.grad(gram.distance(gram.summarise(f), blend(styles, shares)).sum(), f)
    mixed = sum(
        share * gram.distance(gram.summarise(f), style).sum()
        for share, style in zip(shares, styles, strict=True)
    )
    (of_mixed,) = torch.autograd.grad(mixed, f)
    torch.testing.assert_close(to_blend, of_mixed)


def test_exact_moments_have_a_covariance_without_negative_eigenvalues() -> None:
    """In bfloat16 products the covariance of features with a large mean is lost, and Newton-Schulz diverges."""
    generator = torch.Generator().manual_seed(0)
    f = (100.0 + torch.randn(1, 16, 64, 64, generator=generator)).to(torch.bfloat16)
    wide = Moments.of(f.double()).covariance
    assert float((Moments.of(f, exact=True).covariance - wide).abs().max()) < 0.01
    assert float((Moments.of(f).covariance - wide).abs().max()) > 0.1
