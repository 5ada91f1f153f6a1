"""The style loss of STROTSS (Kolkin, Salavon and Shakhnarovich 2019, Style transfer by relaxed optimal transport and
self-similarity, arXiv:1904.12785): a relaxed earth mover's distance, and moment matching.

The earth mover's distance relaxed is the larger of two means: what each feature is away from the style's nearest, and
what each of the style's is away from ours (section 2.2), by the cosine distance. That leaves the features'
lengths free, so mean and covariance are compared as well. The paper does so with columns through all
layers and pixel colours as a third loss; here each layer stands alone, so that it can be mixed with others.
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
from impasto.losses.sampling import grid, sample


@dataclass(frozen=True)
class RelaxedTransport:
    """The relaxed distance, plus Σ |μ − μₛ| and Σ |K − Kₛ| each as a share of the style's.

    The paper divides the sums by C and C², which weighs them by the scale of the network's features.

    Args:
        seed: of which pixels are looked at.
        most: pixels of a picture that are compared with all of the other: a grid of them, another one each turn. The
            moments are those of all pixels.
    """

    seed: int = 0
    most: int = 4096

    smallest = 1
    draws = True

    def keep(self, features: Tensor, guide: Tensor | None = None) -> Tensor:
        """The features themselves: every turn looks at other pixels."""
        return within(features, guide)

    def __call__(
        self, features: Tensor, kept: Tensor, sample_index: int, guide: Tensor | None = None
    ) -> Tensor:
        """(N,)."""
        features = within(features, guide)
        wide = torch.promote_types(features.dtype, torch.float32)
        generator = sample(self.seed, sample_index)
        points, (targets,) = (grid(each, self.most, generator) for each in (features, kept))
        values = []
        for own in points:
            of_own, of_targets = nearest(own.detach(), targets)
            there = _apart(own.to(wide), targets[of_own].to(wide))
            back = _apart(own[of_targets].to(wide), targets.to(wide))
            values.append(torch.maximum(there, back))
        summary, target = Moments.of(features, exact=True), Moments.of(kept, exact=True)
        means = (summary.mean - target.mean).abs().sum(-1) / target.mean.abs().sum(-1)
        spread = (summary.covariance - target.covariance).abs().sum((-2, -1))
        return torch.stack(values) + means + spread / target.covariance.abs().sum((-2, -1))

    def cost(self, channels: int, pixels: int, others: int) -> Cost:
        """What it takes for a map of so many pixels, against one of so many others."""
        own, theirs = min(pixels, self.most), min(others, self.most)
        # Both maps in float32 for their moments, two gradients; the points a dozen times.
        work = (
            4.0 * channels * (3 * pixels + 2 * others + 6 * (own + theirs)) + 40.0 * channels**2 + SEARCHING
        )
        products = channels * own * theirs + channels**2 * (2 * pixels + others)
        return Cost(4.0 * channels * others, work, products)


def _apart(a: Tensor, b: Tensor) -> Tensor:
    """The mean cosine distance of rows."""
    return (1.0 - F.cosine_similarity(a, b, dim=-1)).mean()
