"""The search in bands against all pairs, and in bfloat16."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from impasto.losses import nearest as neighbours
from impasto.losses.nearest import nearest


def _rows(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("at_once", [1, 100, 1 << 20])
def test_it_is_that_of_all_pairs(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_AT_ONCE", at_once)
    a, b = _rows(37, 0), _rows(23, 1)
    similar = torch.stack([F.cosine_similarity(row, b) for row in a])
    of_a, of_b = nearest(a, b)
    assert torch.equal(of_a, similar.argmax(1))
    assert torch.equal(of_b, similar.argmax(0))


def test_length_does_not_matter_and_of_equal_ones_the_first_is_taken() -> None:
    a, b = _rows(5, 0), _rows(6, 1)
    b = torch.cat([b, 2.0 * b])  # normalised alike to the last bit
    assert torch.equal(nearest(a * 4.0, b)[0], nearest(a, b[:6])[0])
    assert nearest(torch.zeros(2, 64), b.float())[0].tolist() == [0, 0]


def test_bfloat16_finds_neighbours_as_near() -> None:
    """Not the same ones always, but not the first that looks alike either."""
    a, b = (_rows(300, seed).abs().bfloat16() for seed in (0, 1))
    true = F.normalize(a.double()) @ F.normalize(b.double()).T
    found, _ = nearest(a, b)
    lost = true.max(1).values - true.gather(1, found.unsqueeze(1)).squeeze(1)
    assert float(lost.mean()) < 1e-4
    plain = (F.normalize(a.float()).bfloat16() @ F.normalize(b.float()).bfloat16().T).argmax(1)
    worse = true.max(1).values - true.gather(1, plain.unsqueeze(1)).squeeze(1)
    assert float(lost.mean()) < 0.2 * float(worse.mean())
