"""Masks of regions: which part of the picture gets which style, and which part stays unchanged.

A mask is a picture of any size: white is inside, black is outside, grey is a soft edge. Alpha is a mask too:
transparent pixels of a photograph or a style are ignored, and the result has the photograph's alpha.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto import color, images
from impasto.engine.regions import PropagateMask, Region, Regions
from impasto.errors import ParameterError
from impasto.geometry import Size, resize, size_of
from impasto.recipes.fields import RegionOf
from impasto.recipes.recipe import Recipe

Read = Callable[[str], images.Picture]

_MAX_ASPECT_ERROR = 0.02  # difference of log aspect ratios from which a note is written


@dataclass(frozen=True)
class Masks:
    """The masks of a recipe's regions, (1, 1, H, W) in [0, 1].

    Attributes:
        recipe: the recipe, with the hashes of the masks.
        content, style: region's name -> mask.
        alpha: the photograph's alpha; None where it is opaque.
        style_alphas: each style's alpha; None where it is opaque.
        notes: masks that were resized, one line each.
    """

    recipe: Recipe
    content: Mapping[str, Tensor]
    style: Mapping[str, Tensor]
    alpha: Tensor | None
    style_alphas: tuple[Tensor | None, ...]
    notes: tuple[str, ...]

    def regions(self, propagate_mask: PropagateMask, margin: int = 0) -> Regions:
        """The regions in the engine's form.

        Args:
            propagate_mask: the network's map from a mask to one mask per layer.
            margin: pixels that are painted beyond every edge.
        """
        recipe, styles = self.recipe, len(self.style_alphas)
        found = {}
        if not recipe.regions and any(each is not None for each in (self.alpha, *self.style_alphas)):
            everywhere = torch.ones(1, 1, 1, 1) if self.alpha is None else self.alpha
            found[""] = Region(everywhere, recipe.style_shares, self.style_alphas)
        for region in recipe.regions:
            if region.keep:
                continue
            number = recipe.style_of(region, styles)
            shares = recipe.style_shares if number is None else _one_hot(number, styles)
            inside = _intersection(self.content[region.name], self.alpha)
            mask = self.style.get(region.name)
            masks = tuple(_intersection(mask, alpha) for alpha in self.style_alphas)
            assert inside is not None
            found[region.name] = Region(inside, shares, masks)
        return Regions(found, propagate_mask, margin)

    def finish(self, photo: Tensor) -> Callable[[Tensor], Tensor]:
        """A function that restores the photograph in regions to keep, and adds the photograph's alpha channel."""
        left = [self.content[region.name] for region in self.recipe.regions if region.keep]

        def finished(painted: Tensor) -> Tensor:
            size = size_of(painted)
            if left:
                untouched = torch.stack([resize(mask, size, "bilinear") for mask in left]).amax(0).to(painted)
                painted = torch.lerp(painted, resize(photo, size), untouched)
            if self.alpha is not None:
                painted = torch.cat([painted, resize(self.alpha, size).to(painted)], 1)
            return painted

        return finished


def read_masks(
    recipe: Recipe,
    content: Size,
    read: Read,
    device: torch.device,
    *,
    alpha: Tensor | None = None,
    style_alphas: Sequence[Tensor | None],
) -> Masks:
    """Read the masks that a recipe names.

    Args:
        content: the photograph's size; a mask of another size adds a note.
        read: reads a picture.
        device: of the returned masks.
        alpha, style_alphas: alphas of the pictures; None where a picture is opaque.

    Raises:
        InputError: a mask cannot be read, or is black everywhere.
    """
    notes: list[str] = []

    def mask(region: RegionOf, path: str, what: str, size: Size | None) -> tuple[Tensor, str]:
        picture = read(path)
        pixels = picture.pixels
        if pixels.dtype == torch.uint8:
            pixels = pixels.float() / 255.0
        found = color.linear_to_srgb(color.srgb_to_linear(pixels).mean(1, keepdim=True)).clamp_(0.0, 1.0)
        if not (found > 0.5 / 255.0).any():
            raise ParameterError(
                f"{what} {region.name}: expected white pixels inside the region, got black all over: {picture.name}"
            )
        height, width = found.shape[-2:]
        if size is not None and (height, width) != size:
            bent = abs(math.log(height * size[1] / (width * size[0]))) > _MAX_ASPECT_ERROR
            how = "stretched" if bent else "resized"
            notes.append(f"{picture.name}: a mask of {width}x{height} is {how} to {size[1]}x{size[0]}")
        return found.to(device), picture.sha256

    inside, of_style, regions = {}, {}, []
    for region in recipe.regions:
        inside[region.name], digest = mask(region, region.mask.path, "mask", content)
        hashes = {"mask": region.mask.model_copy(update={"sha256": digest})}
        if region.style_mask is not None:
            of_style[region.name], digest = mask(region, region.style_mask.path, "style-mask", None)
            hashes["style_mask"] = region.style_mask.model_copy(update={"sha256": digest})
        regions.append(region.model_copy(update=hashes))
    changed = recipe.model_copy(update={"regions": tuple(regions)}) if regions else recipe
    alphas = [None if each is None else each.to(device) for each in (alpha, *style_alphas)]
    return Masks(changed, inside, of_style, alphas[0], tuple(alphas[1:]), tuple(notes))


def _intersection(mask: Tensor | None, alpha: Tensor | None) -> Tensor | None:
    """The product of a mask and an alpha; None stands for everywhere."""
    if mask is None or alpha is None:
        return alpha if mask is None else mask
    return mask * resize(alpha, size_of(mask), "bilinear")


def _one_hot(number: int, count: int) -> tuple[float, ...]:
    return tuple(float(at == number) for at in range(count))
