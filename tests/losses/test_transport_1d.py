"""Transport in one dimension against the best of all permutations, and the order against torch's own."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.autograd import gradcheck

from impasto.losses import transport_1d as transport
from impasto.losses.transport_1d import order, quantiles, squared_distance, transported


def _rows(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_no_permutation_is_shorter() -> None:
    values, targets = _rows(3, 6), _rows(3, 6, seed=1)
    found = squared_distance(values, targets.sort(-1).values)
    for row in range(3):
        best = min(
            sum((values[row, i] - targets[row, j]) ** 2 for i, j in enumerate(permutation))
            for permutation in itertools.permutations(range(6))
        )
        assert float(found[row]) == pytest.approx(float(best) / 6, rel=1e-12)


@pytest.mark.parametrize("count", [3, 7, 11])
def test_gradient(count: int) -> None:
    targets = _rows(2, 7, seed=1).sort(-1).values
    assert gradcheck(lambda v: squared_distance(v, targets), (_rows(2, count).requires_grad_(),))


def test_rows_in_several_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    values, targets = _rows(5, 8), _rows(5, 8, seed=1).sort(-1).values
    whole = squared_distance(values, targets)
    monkeypatch.setattr(transport, "_AT_ONCE", 16)
    assert torch.equal(squared_distance(values, targets), whole)


def test_each_value_goes_to_the_target_of_its_rank() -> None:
    values, targets = torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([[10.0, 20.0, 30.0]])
    assert transported(values, targets).tolist() == [[30.0, 10.0, 20.0]]


def test_quantiles_of_a_picture_of_another_size() -> None:
    ordered = torch.linspace(0.0, 1.0, 1001).unsqueeze(0)
    for count in (10, 1001, 4000):
        wanted = (torch.arange(count) + 0.5) / count
        torch.testing.assert_close(quantiles(ordered, count)[0], wanted, rtol=0, atol=1e-3)
    # A picture twice over has the same ones.
    twice = ordered.repeat_interleave(2, 1)
    torch.testing.assert_close(quantiles(twice, 1001), ordered, rtol=0, atol=1e-6)


def test_the_order_is_torchs_whatever_the_values() -> None:
    values = torch.randn(4, 300, generator=torch.Generator().manual_seed(0)).relu()
    values[0, 5:9] = torch.tensor([torch.inf, -torch.inf, 1e-40, -1e-40])
    values[1] = -values[1]
    values[2, ::2] = -1e38
    for rows in (values, values[:, ::3], values.mT.contiguous().mT):
        assert torch.equal(order(rows), (rows + 0.0).sort(dim=-1, stable=True).indices)
