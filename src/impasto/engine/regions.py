"""Regions: a style for each part of the picture, taken from a part of a style picture.

Guided Gram matrices (Gatys, Ecker, Bethge, Hertzmann and Shechtman 2017, arXiv:1611.07865, section 4): the sums over
pixels that style losses compare are weighted by a guide: the share of a feature's receptive field that lies within a
mask. As sums over pixels, they are exact under tiling, can be blended, and allow soft edges.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from impasto.engine.pyramid import pad_mirrored
from impasto.geometry import Size, resize
from impasto.losses.objective import FeatureMapTerm, Objective, StyleTerm

PropagateMask = Callable[[Tensor, Collection[str]], Mapping[str, Tensor]]
"""(mask (1, 1, H, W), layers) -> (1, 1, H', W') for each layer: the share of each receptive field in the mask."""


@dataclass(frozen=True)
class Region:
    """A part of the picture, and the source of its style.

    Attributes:
        mask: (1, 1, H, W) in [0, 1], of the picture at any size.
        shares: the share of each style picture; they sum to 1.
        style_masks: (1, 1, h, w) in [0, 1] for each style picture, at any size; None takes the whole style picture.
    """

    mask: Tensor
    shares: tuple[float, ...]
    style_masks: tuple[Tensor | None, ...]


@dataclass(frozen=True)
class Regions:
    """The regions of a picture.

    A style term with a region's name compares that region alone; a term without one, the whole picture.

    Attributes:
        by_name: region name -> region.
        propagate_mask: brings a mask from the picture to the layers of the network.
        margin: pixels of the picture beyond every edge of the masks; masks are padded there by mirroring.
    """

    by_name: Mapping[str, Region] = field(default_factory=dict)
    propagate_mask: PropagateMask = lambda mask, layers: {}
    margin: int = 0

    def guides(self, objective: Objective, size: Size) -> dict[str, Tensor]:
        """Term name -> the weight of each feature of a picture of that size, for the terms of regions."""
        found: dict[str, Tensor] = {}
        inner = size[0] - 2 * self.margin, size[1] - 2 * self.margin
        for name, region in self.by_name.items():
            terms = _terms_of(objective, name)
            mask = pad_mirrored(resize(region.mask, inner, "bilinear"), self.margin)
            by_layer = self.propagate_mask(mask, {term.layer for term in terms})
            found |= {term.name: by_layer[term.layer] for term in terms}
        return found

    def style_guides(self, objective: Objective, number: int, size: Size) -> dict[str, Tensor]:
        """The guides of style picture ``number``; a term that takes the whole style picture has none."""
        found: dict[str, Tensor] = {}
        for name, region in self.by_name.items():
            mask = region.style_masks[number]
            if mask is None:
                continue
            terms = _terms_of(objective, name)
            layers = {term.target_layer for term in terms}
            by_layer = self.propagate_mask(resize(mask, size, "bilinear"), layers)
            found |= {term.name: by_layer[term.target_layer] for term in terms}
        return found

    def shares(self, term: StyleTerm | FeatureMapTerm, shares: Sequence[float]) -> Sequence[float]:
        """The share of each style picture for a term; ``shares`` where the term has no region."""
        return self.by_name[term.region].shares if term.region else shares


def _terms_of(objective: Objective, region: str) -> list[StyleTerm | FeatureMapTerm]:
    """The style terms of a region."""
    return [
        term
        for term in objective
        if (isinstance(term, StyleTerm) or (isinstance(term, FeatureMapTerm) and term.of == "style"))
        and term.region == region
    ]


NONE = Regions()
