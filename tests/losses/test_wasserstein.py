"""The distance of Gaussians against a slow twin, known cases, finite differences, covariances without full rank."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from impasto.losses.moments import Moments
from impasto.losses.wasserstein import Gaussian, _trace_of_root
from tests.losses.features import features, shuffled

LOSS = Gaussian()


def _between(f: Tensor, a: Tensor, loss: Gaussian = LOSS) -> Tensor:
    return loss.distance(loss.summarise(f), loss.summarise(a))


def _root(k: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(k)
    return vectors @ values.clamp(min=0).sqrt().diag() @ vectors.T


def test_it_is_its_formula() -> None:
    loss = Gaussian(ridge=0.0)
    f, a = features(2, 4, 5, 6), features(1, 4, 7, 3, seed=1)
    for n in range(2):
        (m, k), (ms, ks) = ((x.mean(1), x.cov(correction=0)) for x in (f[n].flatten(1), a[0].flatten(1)))
        r = _root(ks)
        squared = ((m - ms) ** 2).sum() + (k + ks - 2 * _root(r @ k @ r)).trace()
        expected = squared / ((ms**2).sum() + ks.trace())
        assert float(_between(f, a, loss)[n]) == pytest.approx(float(expected), rel=1e-6)


def test_where_covariances_commute_it_is_that_of_the_deviations() -> None:
    """W₂² of N(m, diag σ²) and N(mₛ, diag σₛ²) is |m − mₛ|² + |σ − σₛ|²."""
    m, ms = torch.tensor([[1.0, 2.0, 0.5]]).double(), torch.tensor([[0.5, 2.5, 1.0]]).double()
    s, ss = torch.tensor([[0.3, 1.0, 2.0]]).double(), torch.tensor([[0.5, 0.5, 1.5]]).double()

    def gaussian(mean: Tensor, deviation: Tensor) -> Moments:
        second = torch.diag_embed(deviation**2) + mean.unsqueeze(-1) * mean.unsqueeze(-2)
        return Moments(10.0, 10 * mean, 10 * second)

    found = Gaussian(ridge=0.0).distance(gaussian(m, s), gaussian(ms, ss))
    expected = ((m - ms) ** 2 + (s - ss) ** 2).sum() / (ms**2 + ss**2).sum()
    assert float(found) == pytest.approx(float(expected), rel=1e-9)


def test_gradient_of_full_rank() -> None:
    a = features(1, 3, 5, 5, seed=1)
    assert gradcheck(lambda f: _between(f, a), (features(1, 3, 4, 4).requires_grad_(),))


def test_gradient_where_eigenvalues_are_equal() -> None:
    """Of tr(A^½) it is ½ A^−½, whichever eigenvectors are found."""
    a = torch.eye(4, dtype=torch.float64).mul_(2.25).unsqueeze(0).requires_grad_()
    (gradient,) = torch.autograd.grad(_trace_of_root(a, torch.zeros(1).double()).sum(), a)
    torch.testing.assert_close(gradient[0], torch.eye(4).double() / 3.0)
    points = (
        torch.cat([torch.eye(3), -torch.eye(3)]).double().T.reshape(1, 3, 2, 3)
    )  # a covariance of equal ones
    target = features(1, 3, 5, 5, seed=1)
    assert gradcheck(lambda f: _between(f, target), (points.requires_grad_(),))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("flat", ["picture", "style", "both"])
def test_features_without_full_rank_have_a_finite_gradient(dtype: torch.dtype, flat: str) -> None:
    def deficient(seed: int) -> Tensor:
        few = features(1, 2, 4, 5, seed=seed)
        return torch.cat([few, few.sum(1, keepdim=True), torch.zeros_like(few)], 1)

    f = deficient(0) if flat != "style" else features(1, 5, 4, 5)
    a = deficient(1) if flat != "picture" else features(1, 5, 4, 5, seed=1)
    f = f.to(dtype).requires_grad_()
    value = _between(f, a.to(dtype))
    (gradient,) = torch.autograd.grad(value.sum(), f)
    assert value.dtype == dtype
    assert bool(gradient.isfinite().all())
    assert 0.0 < float(value.detach()) < 2.0


def test_it_is_zero_for_the_same_features_in_any_order_and_positive_otherwise() -> None:
    f = features(1, 4, 6, 6)
    assert float(_between(shuffled(f), f)) == pytest.approx(0.0, abs=1e-9)
    assert float(_between(features(1, 4, 6, 6, seed=1), f)) > 1e-4
    assert float(_between(torch.zeros_like(f), f)) == pytest.approx(1.0, abs=0.01)
