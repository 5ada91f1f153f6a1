"""Each channel's histogram (Risser, Wilmot and Barnes 2017, Stable and controllable neural texture synthesis and
style transfer using histogram losses, arXiv:1701.08893).

‖O − R(O)‖², where R remaps the values of a channel, in order, to the style's. The paper remaps by histograms of 256
bins; here every value has a bin of its own (:mod:`impasto.losses.transport_1d`), and with that the paper's gradient,
which takes R(O) for constant, is the loss's own.
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
    """Σ over channels of W₂² along them, divided by the style's Σ f²: 1 is as far off as features of zero.

    Of values that are equal, as most zeros behind a ReLU are, the first come first; through the ReLU no gradient
    reaches them anyway.
    """

    smallest = 1
    draws = False

    def keep(self, features: Tensor, guide: Tensor | None = None) -> Tensor:
        """Each channel's values in ascending order: (1, C, P), at least in float32."""
        wide = within(features, guide).to(torch.promote_types(features.dtype, torch.float32))
        return wide.flatten(2).sort(-1).values

    def __call__(
        self, features: Tensor, kept: Tensor, sample_index: int, guide: Tensor | None = None
    ) -> Tensor:
        """(N,)."""
        values = within(features, guide).flatten(2).to(kept)
        energy = kept.square().mean(-1).sum()
        return torch.stack([squared_distance(each, kept[0]).sum() for each in values]) / energy

    def cost(self, channels: int, pixels: int, others: int) -> Cost:
        """What it takes for a map of so many pixels, against one of so many others."""
        # The map in float32, how far off it is, the gradient in float32 and as the map is.
        work = 4.0 * channels * 5 * pixels + SORTING
        return Cost(4.0 * channels * others, work, ordered=channels * pixels)
