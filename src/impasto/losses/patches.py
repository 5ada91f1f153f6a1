"""Every patch of feature maps towards the style's patch that is most like it (Li and Wand 2016, Combining Markov
random fields and convolutional neural networks for image synthesis, arXiv:1601.04589, equations 2 and 3).

E = Σ |Ψᵢ − Ψ_NN(i)|² over patches of 3 × 3 pixels, with NN(i) the style's patch of the highest normalised
cross-correlation. Textures keep their parts, where statistics over all pixels stir them.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.losses.cost import Cost
from impasto.losses.masking import chosen
from impasto.losses.nearest import SEARCHING, nearest

_SIDE = 3


@dataclass(frozen=True)
class Patches:
    """The mean of |Ψ − Ψ_NN|², divided by the style's mean |Ψ|²: 1 is as far off as features of zero.

    Args:
        most: patches of a picture. Where there are more, every second or third in both directions is taken (the
            paper's code takes every second); where that is not enough, the map is first averaged over squares.
    """

    most: int = 4096

    smallest = _SIDE
    draws = False

    def keep(self, features: Tensor, guide: Tensor | None = None) -> Tensor:
        """The patches, as rows: (1, P, 9 C)."""
        return self._patches(features, guide)

    def __call__(
        self, features: Tensor, kept: Tensor, sample_index: int, guide: Tensor | None = None
    ) -> Tensor:
        """(N,)."""
        (targets,) = kept
        wide = torch.promote_types(features.dtype, torch.float32)
        values = []
        for patches in self._patches(features, guide):
            own, _ = nearest(patches.detach(), targets)
            off = patches.to(wide) - targets[own].to(wide)
            values.append(off.square().sum(-1).mean())
        energy: Tensor = targets.to(wide).square().sum(-1).mean()
        return torch.stack(values) / energy

    def _patches(self, features: Tensor, guide: Tensor | None) -> Tensor:
        """(N, C, H, W) as (N, P, 9 C): all patches, or those whose middle counts."""
        averaged, stride = self.spacing(features.shape[-2], features.shape[-1])
        if averaged > 1:
            features = F.avg_pool2d(features, averaged)
        patches = F.unfold(features, _SIDE, stride=stride).mT
        if guide is None:
            return patches
        middles = F.avg_pool2d(guide, averaged)[..., 1:-1:stride, 1:-1:stride]
        return patches.index_select(1, chosen(middles))

    def spacing(self, height: int, width: int) -> tuple[int, int]:
        """Over squares of how many pixels a map is averaged, and how far apart its patches then are."""

        def fits(averaged: int, stride: int) -> bool:
            sides = (height // averaged, width // averaged)
            return math.prod((side - _SIDE) // stride + 1 for side in sides) <= self.most

        most = min(height, width) // _SIDE  # more would leave less than a patch
        for averaged in range(1, most + 1):
            for stride in range(1, _SIDE + 1):
                if fits(averaged, stride):
                    return averaged, stride
        return most, next(stride for stride in itertools.count(_SIDE) if fits(most, stride))

    def cost(self, channels: int, pixels: int, others: int) -> Cost:
        """What it takes for a map of so many pixels, against one of so many others."""
        own, theirs = min(pixels, self.most), min(others, self.most)
        values = _SIDE**2 * channels
        # Patches as they came, their directions, in float32, their neighbours, how far off, and two gradients.
        work = 4.0 * values * (7 * own + 2 * theirs) + 4.0 * 2 * channels * pixels + SEARCHING
        return Cost(4.0 * values * theirs, work, products=values * own * theirs)
