"""Mean and deviation against the formula, finite differences, and a channel that is flat."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from impasto.losses.mean_deviation import MeanDeviation
from tests.losses.features import features, shuffled

LOSS = MeanDeviation()


def _between(f: Tensor, a: Tensor) -> Tensor:
    return LOSS.distance(LOSS.summarise(f), LOSS.summarise(a))


def test_it_is_its_formula() -> None:
    f, a = features(2, 3, 4, 5), features(1, 3, 7, 2, seed=1)
    for n in range(2):
        off = energy = 0.0
        for own, wanted in zip(f[n].flatten(1), a[0].flatten(1), strict=True):
            off += float(own.mean() - wanted.mean()) ** 2
            off += float(own.std(correction=0) - wanted.std(correction=0)) ** 2
            energy += float(wanted.mean()) ** 2 + float(wanted.var(correction=0))
        assert float(_between(f, a)[n]) == pytest.approx(off / energy, rel=1e-5)


def test_gradient() -> None:
    a = features(1, 3, 4, 4, seed=1)
    assert gradcheck(lambda f: _between(f, a), (features(1, 3, 3, 4).requires_grad_(),))


def test_it_is_zero_for_the_same_features_in_any_order_and_positive_otherwise() -> None:
    f = features(1, 4, 6, 6)
    assert float(_between(shuffled(f), f)) == pytest.approx(0.0, abs=1e-12)
    assert float(_between(features(1, 4, 6, 6, seed=1), f)) > 1e-4
    assert float(_between(torch.zeros_like(f), f)) == pytest.approx(1.0, rel=1e-3)


def test_it_does_not_see_which_channels_go_together() -> None:
    f = features(1, 4, 6, 6)
    apart = torch.cat([shuffled(f[:, :2]), shuffled(f[:, 2:], seed=1)], 1)
    assert float(_between(apart, f)) == pytest.approx(0.0, abs=1e-12)


def test_a_flat_channel_has_a_finite_gradient() -> None:
    f, a = features(1, 3, 4, 4), features(1, 3, 4, 4, seed=1)
    f[:, 1] = 0.0
    f.requires_grad_()
    (gradient,) = torch.autograd.grad(_between(f, a).sum(), f)
    assert bool(gradient.isfinite().all())
