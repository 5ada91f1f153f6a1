"""Each channel's histogram (Risser, Wilmot and Barnes 2017, Stable and controllable neural texture synthesis and
style transfer using histogram losses, arXiv:1701.08893).

‖O − R(O)‖², where R remaps the values of a channel, in order, to those of the style. The paper remaps with histograms
of 256 bins. Here every value has its own bin (:mod:`impasto.losses.transport_1d`), so the paper's gradient, which
treats R(O) as constant, is the exact gradient of the loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.losses.cost import Cost
from impasto.losses.masking import within
from impasto.losses.transport_1d import SORTING, squared_distance


@dataclass(frozen=True)
class Histogram:
    """The sum over channels of W₂² between the values, divided by the style's Σ f²: features of zero have the loss 1.

    The sort is stable, so equal values, mostly zeros behind a ReLU, keep their order. The ReLU passes no gradient to
    the zeros.
    """

    smallest = 1
    draws = False

    def make_target(self, features: Tensor, guide: Tensor | None = None) -> Tensor:
        """Each channel's values in ascending order: (1, C, P), at least in float32."""
        wide = within(features, guide).to(torch.promote_types(features.dtype, torch.float32))
        return wide.flatten(2).sort(-1).values

    def __call__(
        self, features: Tensor, target: Tensor, sample_index: int, guide: Tensor | None = None
    ) -> Tensor:
        """(N,)."""
        values = within(features, guide).flatten(2).to(target)
        energy = target.square().mean(-1).sum()
        return torch.stack([squared_distance(each, target[0]).sum() for each in values]) / energy

    def cost(self, channels: int, pixels: int, others: int) -> Cost:
        """The cost for a map of ``pixels`` pixels against one of ``others``."""
        # The map in float32, the difference, the gradient in float32 and in the map's type.
        work = 4.0 * channels * 5 * pixels + SORTING
        return Cost(4.0 * channels * others, work, sorted_values=channels * pixels)
