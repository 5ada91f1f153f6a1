"""The sliced distance against a slow twin, its laws, and its random directions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from impasto.losses.sliced_wasserstein import SlicedWasserstein
from tests.losses.features import features, shuffled


def _between(f: Tensor, a: Tensor, sample_index: int = 0, loss: SlicedWasserstein | None = None) -> Tensor:
    loss = loss or SlicedWasserstein()
    return loss(f, loss.make_target(a), sample_index)


def test_it_is_its_formula() -> None:
    loss = SlicedWasserstein(seed=3)
    f, a = features(2, 4, 5, 6), features(1, 4, 6, 5, seed=1)
    directions = loss._directions(4, 30, 7)
    assert directions.shape == (4, 4)
    torch.testing.assert_close(directions.norm(dim=0), torch.ones(4, dtype=torch.float64))
    for n in range(2):
        total = 0.0
        for direction in directions.T:
            own, wanted = (sorted(float(direction @ point) for point in x.flatten(1).T) for x in (f[n], a[0]))
            total += sum((v - w) ** 2 for v, w in zip(own, wanted, strict=True)) / 30 / 4
        energy = float((a**2).sum()) / 30 / 4
        assert float(_between(f, a, 7, loss)[n]) == pytest.approx(total / energy, rel=1e-10)


@pytest.mark.parametrize("size", [(4, 4), (3, 5), (5, 6)])
def test_gradient(size: tuple[int, int]) -> None:
    a = features(1, 3, 4, 4, seed=1)
    assert gradcheck(lambda f: _between(f, a), (features(1, 3, *size).requires_grad_(),))


def test_it_is_zero_for_the_same_features_in_any_order_and_positive_otherwise() -> None:
    f = features(1, 4, 6, 6)
    assert float(_between(shuffled(f), f)) == pytest.approx(0.0, abs=1e-25)
    assert float(_between(features(1, 4, 6, 6, seed=1), f)) > 1e-5
    other = features(1, 4, 5, 7, seed=2)
    assert float(_between(shuffled(other), f)) == pytest.approx(float(_between(other, f)), rel=1e-12)


def test_zeros_are_about_as_far_off_as_one() -> None:
    f = features(1, 16, 8, 8)
    mean = sum(float(_between(torch.zeros_like(f), f, sample_index)) for sample_index in range(40)) / 40
    assert mean == pytest.approx(1.0, rel=0.1)


def test_it_sees_more_than_moments() -> None:
    """Two distributions with the same mean and covariance."""
    one = torch.tensor([-1.0, 1.0, -1.0, 1.0]).double().view(1, 1, 2, 2)
    other = torch.tensor([-(2**0.5), 0.0, 0.0, 2**0.5]).double().view(1, 1, 2, 2)
    assert float(_between(one, other)) > 0.1


def test_directions_are_drawn_by_seed_and_turn() -> None:
    f, a = features(1, 8, 6, 6), features(1, 8, 6, 6, seed=1)
    first = float(_between(f, a, 0))
    assert float(_between(f, a, 0)) == first
    assert float(_between(f, a, 1)) != first
    assert float(_between(f, a, 0, SlicedWasserstein(seed=1))) != first


def test_large_maps_have_fewer_directions() -> None:
    loss = SlicedWasserstein(max_values=1000, min_directions=2)
    assert [loss._directions(64, pixels, 0).shape[1] for pixels in (10, 100, 1000)] == [64, 10, 2]


def test_low_precision_features_are_sorted_in_float32() -> None:
    f, a = features(1, 4, 16, 16).bfloat16(), features(1, 4, 16, 16, seed=1).bfloat16()
    found = _between(f, a)
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(float(_between(f.double(), a.double())), rel=1e-4)
