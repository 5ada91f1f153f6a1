"""Laws of poolings in pieces of rows: the pieces are the whole, and gradients are gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from impasto.encoders.pooling import AveragePool, L2Pool, MaxBlurPool, MaxPool, Pool

POOLS = [MaxPool(), AveragePool(1.3), L2Pool(0.7), MaxBlurPool()]
pools = pytest.mark.parametrize("pool", POOLS, ids=lambda pool: type(pool).__name__)


def _map(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, height, width, generator=generator, dtype=torch.float64)


@pools
@pytest.mark.parametrize("height", [12, 13])
def test_pieces_are_the_whole(pool: Pool, height: int) -> None:
    x = _map(height, 9)
    whole = pool.forward(x, top=True, bottom=True)
    assert whole.shape == (2, 3, height // 2, 4)
    g = torch.rand_like(whole)
    gradient = torch.zeros_like(x)
    for first, last in ((0, 4), (4, 6), (6, height)):
        rows = slice(max(0, first - pool.reach), min(height, last + pool.reach))
        top, bottom = rows.start == 0, rows.stop == height
        piece = pool.forward(x[:, :, rows], top=top, bottom=bottom)
        torch.testing.assert_close(piece, whole[:, :, first // 2 : last // 2])
        own = g[:, :, first // 2 : last // 2]
        gradient[:, :, rows] += pool.backward(own, x[:, :, rows], top=top, bottom=bottom)
    torch.testing.assert_close(gradient, pool.backward(g, x, top=True, bottom=True))


@pools
@pytest.mark.parametrize(("top", "bottom"), [(True, True), (True, False), (False, True), (False, False)])
def test_gradients(pool: Pool, top: bool, bottom: bool) -> None:
    height = 6 + pool.reach * (2 - top - bottom)

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return pool.forward(x, top=top, bottom=bottom)

        @staticmethod
        def backward(ctx: torch.autograd.function.FunctionCtx, g: Tensor) -> Tensor:  # type: ignore[override]
            (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
            return pool.backward(g, x, top=top, bottom=bottom)

    assert torch.autograd.gradcheck(Function.apply, _map(height, 7).requires_grad_())
