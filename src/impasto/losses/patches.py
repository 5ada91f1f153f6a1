"""The Markov random field loss: it pulls each patch towards the most similar style patch (Li and Wand 2016, Combining
Markov random fields and convolutional neural networks for image synthesis, arXiv:1601.04589, equations 2 and 3).

E = Σ |Ψᵢ − Ψ_NN(i)|² over patches of 3 × 3 pixels, where NN(i) is the style patch with the highest normalised
cross-correlation. It preserves the parts of textures, which statistics over all pixels mix.
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
    """The mean of |Ψ − Ψ_NN|², divided by the style's mean |Ψ|²: features of zero have the loss 1.

    Args:
        max_patches: largest number of patches of a picture. A larger map is sampled with stride 2 or 3 (the paper's
            code has stride 2); where that is not enough, the map is first downsampled by average pooling.
    """

    max_patches: int = 4096

    smallest = _SIDE
    draws = False

    def make_target(self, features: Tensor, guide: Tensor | None = None) -> Tensor:
        """The patches, as rows: (1, P, 9 C)."""
        return self._patches(features, guide)

    def __call__(
        self, features: Tensor, target: Tensor, sample_index: int, guide: Tensor | None = None
    ) -> Tensor:
        """(N,)."""
        (targets,) = target
        wide = torch.promote_types(features.dtype, torch.float32)
        values = []
        for patches in self._patches(features, guide):
            neighbours, _ = nearest(patches.detach(), targets)
            difference = patches.to(wide) - targets[neighbours].to(wide)
            values.append(difference.square().sum(-1).mean())
        energy: Tensor = targets.to(wide).square().sum(-1).mean()
        return torch.stack(values) / energy

    def _patches(self, features: Tensor, guide: Tensor | None) -> Tensor:
        """(N, C, H, W) as (N, P, 9 C): all patches or, with a guide, those whose centre is selected."""
        averaged, stride = self.spacing(features.shape[-2], features.shape[-1])
        if averaged > 1:
            features = F.avg_pool2d(features, averaged)
        patches = F.unfold(features, _SIDE, stride=stride).mT
        if guide is None:
            return patches
        centres = F.avg_pool2d(guide, averaged)[..., 1:-1:stride, 1:-1:stride]
        return patches.index_select(1, chosen(centres))

    def spacing(self, height: int, width: int) -> tuple[int, int]:
        """The side of the average pooling of a map in pixels (1 for none), and then the stride of its patches."""

        def fits(averaged: int, stride: int) -> bool:
            sides = (height // averaged, width // averaged)
            return math.prod((side - _SIDE) // stride + 1 for side in sides) <= self.max_patches

        most = min(height, width) // _SIDE  # stronger pooling would leave less than one patch
        for averaged in range(1, most + 1):
            for stride in range(1, _SIDE + 1):
                if fits(averaged, stride):
                    return averaged, stride
        return most, next(stride for stride in itertools.count(_SIDE) if fits(most, stride))

    def cost(self, channels: int, pixels: int, others: int) -> Cost:
        """The cost for a map of ``pixels`` pixels against one of ``others``."""
        patches, targets = min(pixels, self.max_patches), min(others, self.max_patches)
        values = _SIDE**2 * channels
        # The patches, normalised and in float32, their neighbours, the differences, and two gradients.
        work = 4.0 * values * (7 * patches + 2 * targets) + 4.0 * 2 * channels * pixels + SEARCHING
        return Cost(4.0 * values * targets, work, products=values * patches * targets)
