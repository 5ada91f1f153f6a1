"""Self-similarity against its formula, what it is blind to, and its gradient."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import gradcheck

from impasto.losses.self_similarity import SelfSimilarity
from tests.losses.features import features, shuffled


def _between(f: Tensor, a: Tensor, sample_index: int = 0, loss: SelfSimilarity | None = None) -> Tensor:
    loss = loss or SelfSimilarity()
    return loss(f, loss.make_target(a), sample_index)


def test_it_is_its_formula() -> None:
    f, a = features(2, 3, 3, 4), features(1, 3, 3, 4, seed=1)

    def shares(x: Tensor) -> Tensor:
        points = x.flatten(1).T
        d = torch.stack([1 - F.cosine_similarity(row, points) for row in points])
        return torch.stack([column / column.sum() for column in d.T], 1)

    for n in range(2):
        off = shares(f[n]) - shares(a[0])
        expected = off.abs().sum() / 12
        assert float(_between(f, a, loss=SelfSimilarity(smooth=0.0))[n]) == pytest.approx(
            float(expected), rel=1e-10
        )
        expected = ((off.square() + (0.2 / 12) ** 2).sqrt() - 0.2 / 12).sum() / 12
        assert float(_between(f, a, loss=SelfSimilarity(smooth=0.2))[n]) == pytest.approx(
            float(expected), rel=1e-10
        )


def test_gradient() -> None:
    a = features(1, 3, 3, 4, seed=1)
    assert gradcheck(lambda f: _between(f, a), (features(1, 3, 3, 4).requires_grad_(),))


def test_it_is_zero_for_the_same_pattern_and_positive_otherwise() -> None:
    a = features(1, 5, 4, 4)
    assert float(_between(a, a)) == 0.0
    rotation, _ = torch.linalg.qr(features(5, 5, seed=3))
    turned = torch.einsum("ij,njhw->nihw", rotation, a)
    assert float(_between(3.0 * turned, a)) == pytest.approx(
        0.0, abs=1e-10
    )  # other features, alike where they were
    assert float(_between(shuffled(a), a)) > 0.1  # the same ones elsewhere


def test_equal_pixels_have_a_finite_gradient() -> None:
    f = torch.ones(1, 3, 3, 3, dtype=torch.float64).requires_grad_()
    (gradient,) = torch.autograd.grad(_between(f, features(1, 3, 3, 3)).sum(), f)
    assert bool(gradient.isfinite().all())


def test_the_same_pixels_of_both_are_looked_at() -> None:
    f = features(1, 4, 20, 20)
    few = SelfSimilarity(max_pixels=16)
    assert all(float(_between(f, f, sample_index, few)) == 0.0 for sample_index in range(10))
    other = features(1, 4, 20, 20, seed=1)
    assert len({float(_between(f, other, sample_index, few)) for sample_index in range(10)}) > 3
