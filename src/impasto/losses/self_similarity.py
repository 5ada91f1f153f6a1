"""Content as the pattern of similarities within a picture (Kolkin, Salavon and Shakhnarovich 2019, Style transfer by
relaxed optimal transport and self-similarity, arXiv:1904.12785, section 2.3; after Shechtman and Irani 2007).

What counts is not what the features are but which places are alike, so that the picture is free to change its colours
and textures everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.losses.cost import Cost
from impasto.losses.masking import within
from impasto.losses.sampling import grid, sample


@dataclass(frozen=True)
class SelfSimilarity:
    """1/n Σ |D_ij / Σ_i D_ij − the content's|, with D the cosine distances between n pixels.

    The paper divides by n², which makes it smaller the more pixels are looked at. And where it has |d| there is
    √(d² + ε²) − ε here: L-BFGS, which knows smooth functions, makes noise of a kink. The shares are about 1/n.

    Args:
        smooth: ε, times n.
        seed: of which pixels are looked at.
        most: pixels that are looked at: a grid of them, another one each turn; the paper's number.
    """

    smooth: float = 0.1
    seed: int = 0
    most: int = 1024

    smallest = 2
    draws = True

    def keep(self, features: Tensor, guide: Tensor | None = None) -> Tensor:
        """The features themselves: every turn looks at other pixels."""
        return within(features, guide)

    def __call__(
        self, features: Tensor, kept: Tensor, sample_index: int, guide: Tensor | None = None
    ) -> Tensor:
        """(N,)."""
        features = within(features, guide)
        # The same pixels of both.
        own, wanted = (grid(each, self.most, sample(self.seed, sample_index)) for each in (features, kept))
        off = _distances(own) - _distances(wanted)
        points = off.shape[-1]
        least = self.smooth / points
        return ((off.square() + least**2).sqrt() - least).sum((1, 2)) / points

    def cost(self, channels: int, pixels: int, others: int) -> Cost:
        """What it takes for a map of so many pixels, against one of so many others."""
        points = min(pixels, self.most)
        work = 4.0 * (10 * points**2 + 8 * channels * points + 2 * channels * pixels) + 20e6
        return Cost(4.0 * channels * others, work, products=4.0 * channels * points**2)


def _distances(points: Tensor) -> Tensor:
    """(N, P, C) as (N, P, P): each column's shares of its sum."""
    wide = points.to(torch.promote_types(points.dtype, torch.float32))
    directions = F.normalize(wide, dim=-1)
    apart = 1.0 - directions @ directions.mT
    return apart / apart.sum(-2, keepdim=True).clamp(min=torch.finfo(apart.dtype).tiny)
