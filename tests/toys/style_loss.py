"""A style loss with a summary of its own: how much of each channel there is, and nothing of how it varies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from impasto.losses.cost import Cost


@dataclass(frozen=True, eq=False)
class Amounts:
    """Σ |f| over the pixels, (N, C)."""

    count: float
    total: Tensor

    @property
    def channels(self) -> int:
        return self.total.shape[-1]

    @property
    def sums(self) -> tuple[Tensor, ...]:
        return (self.total,)

    def with_sums(self, sums: tuple[Tensor, ...], count: float) -> Amounts:
        return Amounts(count, *sums)

    @staticmethod
    def add_gradient(
        features: Tensor, by_sums: Sequence[Tensor | None], gradient: Tensor | None, weight: Tensor | None
    ) -> Tensor:
        (by_total,) = by_sums
        assert by_total is not None
        found = features.sign() * by_total[:, :, None, None].to(features.dtype)
        found = found if weight is None else found * weight.to(features.dtype)
        return found if gradient is None else gradient + found


class AmountLoss:
    """Squared difference of the amounts, over the style's."""

    def summarise(self, features: Tensor, weight: Tensor | None = None) -> Amounts:
        wide = features.float().abs()
        if weight is None:
            return Amounts(float(features.shape[2] * features.shape[3]), wide.sum((2, 3)))
        return Amounts(float(weight.sum()), (wide * weight).sum((2, 3)))

    def distance(self, summary: Any, target: Any) -> Tensor:
        wanted = target.total / target.count
        return (summary.total / summary.count - wanted).square().sum(-1) / wanted.square().sum(-1)

    def cost(self, channels: int) -> Cost:
        return Cost()
