"""Self-similarity, a content loss on the similarities within a picture (Kolkin, Salavon and Shakhnarovich 2019, Style
transfer by relaxed optimal transport and self-similarity, arXiv:1904.12785, section 2.3; after Shechtman and Irani
2007).

The loss compares which pixels have similar features, and not the features themselves. So colours and textures may
change everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.losses.cost import Cost
from impasto.losses.masking import within
from impasto.losses.sampling import SampledLoss, grid, sample


@dataclass(frozen=True)
class SelfSimilarity(SampledLoss):
    """1/n Σ |D_ij / Σ_i D_ij − the content's|, with D the cosine distances between n pixels.

    The paper divides by n², which makes the loss smaller with more pixels. In place of the paper's |d|, this loss has
    √(d² + ε²) − ε: L-BFGS assumes a smooth function, and the kink of |d| makes it add noise. Shares are about 1/n.

    Args:
        smooth: ε, times n.
        seed: random seed of the pixel samples.
        max_pixels: largest number of pixels compared: a grid, another one for each sample. 1024 as in the paper.
    """

    smooth: float = 0.1
    max_pixels: int = 1024

    smallest = 2

    def __call__(
        self, features: Tensor, target: Tensor, sample_index: int, guide: Tensor | None = None
    ) -> Tensor:
        """(N,)."""
        features = within(features, guide)
        # The same pixels of both.
        ours, content = (
            grid(each, self.max_pixels, sample(self.seed, sample_index)) for each in (features, target)
        )
        difference = _distances(ours) - _distances(content)
        points = difference.shape[-1]
        epsilon = self.smooth / points
        return ((difference.square() + epsilon**2).sqrt() - epsilon).sum((1, 2)) / points

    def cost(self, channels: int, pixels: int, others: int) -> Cost:
        """The cost for a map of ``pixels`` pixels against one of ``others``."""
        points = min(pixels, self.max_pixels)
        work = 4.0 * (10 * points**2 + 8 * channels * points + 2 * channels * pixels) + 20e6
        return Cost(4.0 * channels * others, work, products=4.0 * channels * points**2)


def _distances(points: Tensor) -> Tensor:
    """(N, P, C) -> (N, P, P): the cosine distances, each column divided by its sum."""
    wide = points.to(torch.promote_types(points.dtype, torch.float32))
    directions = F.normalize(wide, dim=-1)
    distances = 1.0 - directions @ directions.mT
    return distances / distances.sum(-2, keepdim=True).clamp(min=torch.finfo(distances.dtype).tiny)
