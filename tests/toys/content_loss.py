"""A content loss: the means over the pixels."""

from __future__ import annotations

from torch import Tensor

from impasto.losses.cost import Cost


class Brightness:
    smallest = 1
    draws = False

    def make_target(self, features: Tensor, guide: Tensor | None = None) -> Tensor:
        return features.float().mean((2, 3))

    def __call__(
        self, features: Tensor, target: Tensor, sample_index: int, guide: Tensor | None = None
    ) -> Tensor:
        return (features.float().mean((2, 3)) - target).square().sum(-1) / target.square().sum(-1)

    def cost(self, channels: int, pixels: int, others: int) -> Cost:
        return Cost(target_bytes=4.0 * channels, work_bytes=8.0 * channels * pixels)
