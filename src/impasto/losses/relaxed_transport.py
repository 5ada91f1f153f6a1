"""The style loss of STROTSS (Kolkin, Salavon and Shakhnarovich 2019, Style transfer by relaxed optimal transport and
self-similarity, arXiv:1904.12785): a relaxed earth mover's distance, and moment matching.

The relaxed earth mover's distance is the larger of two means (section 2.2): the mean cosine distance from each
feature to the nearest style feature, and from each style feature to the nearest feature. The cosine distance ignores
the norm of features, so the loss also compares mean and covariance. The paper compares hypercolumns through all
layers, with pixel colours as a third loss; here the loss applies to a single layer, so that layers can have different
losses.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.losses.cost import Cost
from impasto.losses.masking import within
from impasto.losses.moments import Moments
from impasto.losses.nearest import SEARCHING, nearest
from impasto.losses.sampling import SampledLoss, grid, sample


@dataclass(frozen=True)
class RelaxedTransport(SampledLoss):
    """The relaxed distance, plus Σ |μ − μₛ| and Σ |K − Kₛ|, each divided by the same sum over the style.

    The paper divides the sums by C and C², so their weight depends on the scale of the network's features.

    Args:
        seed: random seed of the pixel samples.
        max_pixels: largest number of pixels of a picture in the distance: a grid, another one for each sample. The
            moments use all pixels.
    """

    max_pixels: int = 4096

    smallest = 1

    def __call__(
        self, features: Tensor, target: Tensor, sample_index: int, guide: Tensor | None = None
    ) -> Tensor:
        """(N,)."""
        features = within(features, guide)
        wide = torch.promote_types(features.dtype, torch.float32)
        generator = sample(self.seed, sample_index)
        samples, (targets,) = (grid(each, self.max_pixels, generator) for each in (features, target))
        values = []
        for points in samples:
            of_points, of_targets = nearest(points.detach(), targets)
            to_style = _cosine_distance(points.to(wide), targets[of_points].to(wide))
            from_style = _cosine_distance(points[of_targets].to(wide), targets.to(wide))
            values.append(torch.maximum(to_style, from_style))
        ours, style = Moments.of(features, exact=True), Moments.of(target, exact=True)
        means = (ours.mean - style.mean).abs().sum(-1) / style.mean.abs().sum(-1)
        spread = (ours.covariance - style.covariance).abs().sum((-2, -1))
        return torch.stack(values) + means + spread / style.covariance.abs().sum((-2, -1))

    def cost(self, channels: int, pixels: int, others: int) -> Cost:
        """The cost for a map of ``pixels`` pixels against one of ``others``."""
        points, targets = min(pixels, self.max_pixels), min(others, self.max_pixels)
        # Both maps in float32 for their moments, two gradients; the sampled pixels a dozen times.
        maps = 3 * pixels + 2 * others
        work = 4.0 * channels * (maps + 6 * (points + targets)) + 40.0 * channels**2 + SEARCHING
        products = channels * points * targets + channels**2 * (2 * pixels + others)
        return Cost(4.0 * channels * others, work, products)


def _cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """The mean cosine distance of rows."""
    return (1.0 - F.cosine_similarity(a, b, dim=-1)).mean()
