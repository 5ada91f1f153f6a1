"""Relaxed transport against the matrix of all pairs, its laws, and its grid."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import gradcheck

from impasto.losses.relaxed_transport import RelaxedTransport
from impasto.losses.sampling import grid
from tests.losses.features import features, shuffled


def _between(f: Tensor, a: Tensor, sample_index: int = 0, loss: RelaxedTransport | None = None) -> Tensor:
    loss = loss or RelaxedTransport()
    return loss(f, loss.make_target(a), sample_index)


@pytest.mark.parametrize("narrow", [False, True])
def test_it_is_its_formula(narrow: bool) -> None:
    f, a = features(2, 3, 5, 6), features(1, 3, 6, 4, seed=1)
    if narrow:  # the style has what the picture has not: the way back is the longer one
        f = 0.2 * f + torch.tensor([1.0, 0.2, 0.1]).view(1, 3, 1, 1)
    style = a[0].flatten(1).T
    for n in range(2):
        own = f[n].flatten(1).T
        apart = torch.stack([1 - F.cosine_similarity(row, style) for row in own])
        there, back = apart.min(1).values.mean(), apart.min(0).values.mean()
        assert not narrow or back > there
        k, ks = own.T.cov(correction=0), style.T.cov(correction=0)
        expected = (
            torch.maximum(there, back)
            + (own.mean(0) - style.mean(0)).abs().sum() / style.mean(0).abs().sum()
            + (k - ks).abs().sum() / ks.abs().sum()
        )
        assert float(_between(f, a)[n]) == pytest.approx(float(expected), rel=1e-10)


def test_gradient() -> None:
    a = features(1, 3, 4, 4, seed=1)
    assert gradcheck(lambda f: _between(f, a), (features(1, 3, 4, 5).requires_grad_(),))
    few = RelaxedTransport(max_pixels=6)
    assert gradcheck(lambda f: _between(f, a, 1, few), (features(1, 3, 4, 5).requires_grad_(),))


def test_it_is_zero_for_the_same_features_in_any_order_and_positive_otherwise() -> None:
    f = features(1, 4, 6, 6)
    assert float(_between(shuffled(f), f)) == pytest.approx(0.0, abs=1e-12)
    assert float(_between(features(1, 4, 6, 6, seed=1), f)) > 1e-3
    other = features(1, 4, 5, 7, seed=2)
    assert float(_between(shuffled(other), f)) == pytest.approx(float(_between(other, f)), rel=1e-12)


def test_a_grid_of_no_more_pixels_than_allowed_another_each_turn() -> None:
    f = torch.arange(120.0).view(1, 1, 10, 12)
    seen: set[float] = set()
    for seed in range(60):
        points = grid(f, 20, torch.Generator().manual_seed(seed)).flatten().tolist()
        assert 0 < len(points) <= 20
        seen |= set(points)
    assert len(seen) == 120
    assert grid(f, 120, torch.Generator()).shape == (1, 120, 1)
    assert grid(torch.zeros(1, 2, 1, 50), 7, torch.Generator()).shape[1] <= 7


def test_the_grid_is_drawn_by_seed_and_turn() -> None:
    f, a = features(1, 8, 16, 16), features(1, 8, 16, 16, seed=1)
    few = RelaxedTransport(max_pixels=16)
    values = [float(_between(f, a, sample_index, few)) for sample_index in range(6)]
    assert [float(_between(f, a, sample_index, few)) for sample_index in range(6)] == values
    assert len(set(values)) > 2
    assert values != [
        float(_between(f, a, sample_index, RelaxedTransport(seed=1, max_pixels=16)))
        for sample_index in range(6)
    ]
