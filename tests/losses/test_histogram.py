"""Histograms against a slow twin, their laws, and zeros in plenty."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from impasto.losses.histogram import Histogram
from tests.losses.features import features, shuffled

LOSS = Histogram()


def _between(f: Tensor, a: Tensor) -> Tensor:
    return LOSS(f, LOSS.make_target(a), 0)


def test_it_is_its_formula() -> None:
    f, a = features(2, 3, 4, 5), features(1, 3, 5, 4, seed=1)
    for n in range(2):
        off = sum(
            (v - w) ** 2
            for own, wanted in zip(f[n].flatten(1), a[0].flatten(1), strict=True)
            for v, w in zip(sorted(own.tolist()), sorted(wanted.tolist()), strict=True)
        )
        assert float(_between(f, a)[n]) == pytest.approx(off / float((a**2).sum()), rel=1e-12)


@pytest.mark.parametrize("size", [(4, 4), (3, 5), (5, 6)])
def test_gradient(size: tuple[int, int]) -> None:
    a = features(1, 3, 4, 4, seed=1)
    assert gradcheck(lambda f: _between(f, a), (features(1, 3, *size).requires_grad_(),))


def test_gradient_with_many_zeros() -> None:
    """The gradient at pixels above zero, which is all that a ReLU lets through."""
    a, f = features(1, 3, 4, 4, seed=1, negative=1.0), features(1, 3, 5, 4, negative=1.0)
    there = f > 0
    assert 0.2 < float(there.double().mean()) < 0.8

    def value(positive: Tensor) -> Tensor:
        return _between(torch.zeros_like(f).masked_scatter(there, positive), a)

    assert gradcheck(value, (f[there].requires_grad_(),))


def test_it_is_zero_for_the_same_features_in_any_order_and_positive_otherwise() -> None:
    f = features(1, 4, 6, 6, negative=0.5)
    assert float(_between(shuffled(f), f)) == 0.0
    assert float(_between(features(1, 4, 6, 6, seed=1), f)) > 1e-4
    assert float(_between(torch.zeros_like(f), f)) == pytest.approx(1.0)


def test_it_does_not_see_which_channels_go_together() -> None:
    f = features(1, 4, 6, 6)
    assert float(_between(torch.cat([shuffled(f[:, :2]), f[:, 2:]], 1), f)) == 0.0
