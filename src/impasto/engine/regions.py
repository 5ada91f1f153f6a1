"""Regions: a style for each part of the picture, taken from a part of a style picture.

Guided Gram matrices (Gatys, Ecker, Bethge, Hertzmann and Shechtman 2017, arXiv:1611.07865, section 4): the sums over
pixels that style losses compare are weighted by a guide, how much of what a feature sees lies within a mask. So
regions are exact under tiling, blend, and have soft edges, as everything else that is a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from impasto.engine.pyramid import widened
from impasto.geometry import Size, resize
from impasto.losses.objective import FeatureMapTerm, Objective, StyleTerm

PropagateMask = Callable[[Tensor, Collection[str]], Mapping[str, Tensor]]
"""(mask (1, 1, H, W), layers) -> (1, 1, H', W') for each layer: how much of what a feature sees is in the mask."""


@dataclass(frozen=True)
class Region:
    """A part of the picture, and where its style comes from.

    Attributes:
        mask: (1, 1, H, W) in [0, 1], of the picture at any size.
        shares: of each style picture; they sum to 1.
        style_masks: (1, 1, h, w) in [0, 1] for each style picture, at any size; None takes all of it.
    """

    mask: Tensor
    shares: tuple[float, ...]
    style_masks: tuple[Tensor | None, ...]


@dataclass(frozen=True)
class Regions:
    """The regions of a picture by name, and how a network sees masks.

    Style terms with a region's name look at that region alone; those without one, at the whole picture.

    Attributes:
        margin: pixels that the picture has beyond every edge of the masks, which are mirrored there.
    """

    by_name: Mapping[str, Region] = field(default_factory=dict)
    propagate_mask: PropagateMask = lambda mask, layers: {}
    margin: int = 0

    def guides(self, objective: Objective, size: Size) -> dict[str, Tensor]:
        """Term name -> how much each feature of a picture of that size counts, for the terms of regions."""
        found: dict[str, Tensor] = {}
        own = size[0] - 2 * self.margin, size[1] - 2 * self.margin
        for name, region in self.by_name.items():
            terms = _of(objective, name)
            mask = widened(resize(region.mask, own, "bilinear"), self.margin)
            seen = self.propagate_mask(mask, {term.layer for term in terms})
            found |= {term.name: seen[term.layer] for term in terms}
        return found

    def style_guides(self, objective: Objective, number: int, size: Size) -> dict[str, Tensor]:
        """The same of a style picture, by its number; terms that take all of it have none."""
        found: dict[str, Tensor] = {}
        for name, region in self.by_name.items():
            mask = region.style_masks[number]
            if mask is None:
                continue
            terms = _of(objective, name)
            seen = self.propagate_mask(resize(mask, size, "bilinear"), {term.target_layer for term in terms})
            found |= {term.name: seen[term.target_layer] for term in terms}
        return found

    def shares(self, term: StyleTerm | FeatureMapTerm, shares: Sequence[float]) -> Sequence[float]:
        """Of each style picture for a term, ``shares`` where it has no region."""
        return self.by_name[term.region].shares if term.region else shares


def _of(objective: Objective, region: str) -> list[StyleTerm | FeatureMapTerm]:
    """The style terms that look at a region."""
    return [
        term
        for term in objective
        if (isinstance(term, StyleTerm) or (isinstance(term, FeatureMapTerm) and term.of == "style"))
        and term.region == region
    ]


NONE = Regions()
