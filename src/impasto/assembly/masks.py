"""Masks of regions: which part of the picture gets which style, and which part stays unchanged.

A mask is a picture of any size: white is inside, black is outside, grey is a soft edge
(:mod:`impasto.assembly.mask_pictures` has the other forms). Alpha is a mask too:
transparent pixels of a photograph or a style are ignored, and the result has the photograph's alpha.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import images
from impasto.assembly.mask_pictures import is_label_map, mask_of
from impasto.engine.regions import PropagateMask, Region, Regions
from impasto.errors import ImageError, ParameterError
from impasto.geometry import Size, resize, size_of
from impasto.recipes.fields import Input, RegionOf
from impasto.recipes.recipe import Recipe
from impasto.text import display_name

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
        notes: how masks were read, masks that were resized, and styles that were left out, one line each.
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
        found: dict[str, Region] = {}
        if not self.recipe.regions and all(each is None for each in (self.alpha, *self.style_alphas)):
            return Regions(found, propagate_mask, margin)
        for region, shares in self.painted():
            inside = _intersection(None if region is None else self.content[region.name], self.alpha)
            mask = None if region is None else self.style.get(region.name)
            # A style that is left out may have no visible pixel.
            masks = tuple(
                _intersection(mask, alpha) if share else None
                for alpha, share in zip(self.style_alphas, shares, strict=True)
            )
            everywhere = torch.ones(1, 1, 1, 1)
            found["" if region is None else region.name] = Region(
                everywhere if inside is None else inside, shares, masks
            )
        return Regions(found, propagate_mask, margin)

    def painted(self) -> Iterator[tuple[RegionOf | None, tuple[float, ...]]]:
        """Each region with a style, and the styles' shares in it; None is the whole picture, without regions."""
        recipe, styles = self.recipe, len(self.style_alphas)
        if not recipe.regions:
            yield None, recipe.style_shares
        for region in recipe.regions:
            if not region.keep:
                number = recipe.style_of(region, styles)
                yield region, recipe.style_shares if number is None else _one_hot(number, styles)

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
        InputError: a mask cannot be read, or covers nothing that is visible.
    """
    notes: list[str] = []

    def mask(region: RegionOf, given: Input, what: str, size: Size | None) -> tuple[Tensor, Input]:
        picture = read(given.path)
        # One label may be that of both masks, and a style mask may also be black and white.
        label = region.label if what == "mask" or is_label_map(picture) else None
        found, more = mask_of(picture, f"{what} {region.name}", given.path, label)
        notes.extend(more)
        name = display_name(given.path)
        if not _covers(found):
            got = "black all over" if picture.alpha is None else "only black or transparent ones"
            raise ParameterError(
                f"{what} {region.name}: expected white pixels inside the region, got {got}: {name}"
            )
        height, width = picture.size
        if size is not None and (height, width) != size:
            bent = abs(math.log(height * size[1] / (width * size[0]))) > _MAX_ASPECT_ERROR
            how = "stretched" if bent else "resized"
            notes.append(f"{name}: a mask of {width}x{height} is {how} to {size[1]}x{size[0]}")
        return found.to(device), given.model_copy(update={"sha256": picture.sha256})

    inside, of_style, regions = {}, {}, []
    for region in recipe.regions:
        inside[region.name], given = mask(region, region.mask, "mask", content)
        inputs = {"mask": given}
        if region.style_mask is not None:
            of_style[region.name], given = mask(region, region.style_mask, "style-mask", None)
            inputs["style_mask"] = given
        regions.append(region.model_copy(update=inputs))
    changed = recipe.model_copy(update={"regions": tuple(regions)}) if regions else recipe
    alphas = [None if each is None else each.to(device) for each in (alpha, *style_alphas)]
    masks = Masks(changed, inside, of_style, alphas[0], tuple(alphas[1:]), tuple(notes))
    return replace(masks, notes=(*notes, *check_coverage(masks)))


def check_coverage(masks: Masks) -> list[str]:
    """Refuse pictures and regions without a visible pixel; notes about styles that are left out.

    Raises:
        ImageError: the content, or a style that is used, is wholly transparent.
        ParameterError: a mask covers transparent pixels only.
    """
    recipe, styles = masks.recipe, len(masks.style_alphas)
    content, *names = (
        "content" if each is None else display_name(each.path) for each in (recipe.content, *recipe.styles)
    )
    if not _covers(masks.alpha):
        raise ImageError(f"{content}: expected visible pixels, got a picture that is wholly transparent")
    empty = [number for number in range(styles) if not _covers(masks.style_alphas[number])]
    used = set()
    for region, shares in masks.painted():
        if region is not None and not _overlap(masks.content[region.name], masks.alpha):
            raise ParameterError(
                f"mask {region.name}: expected visible pixels of {content} in the region, got only transparent "
                f"ones: {display_name(region.mask.path)}"
            )
        for number in (number for number in range(styles) if shares[number]):
            used.add(number)
            mask = None if region is None else masks.style.get(region.name)
            if number in empty:
                raise ImageError(
                    f"{names[number]}: expected visible pixels, got a picture that is wholly transparent"
                )
            if region is not None and not _overlap(mask, masks.style_alphas[number]):
                raise ParameterError(
                    f"style-mask {region.name}: expected visible pixels of {names[number]}, got only transparent "
                    f"ones: {display_name(region.style_mask.path) if region.style_mask else ''}"
                )
    return [f"{names[number]}: wholly transparent, left out" for number in empty if number not in used]


def _covers(mask: Tensor | None) -> bool:
    """Whether any pixel is visible at 8 bits; None stands for everywhere."""
    return mask is None or bool((mask > 0.5 / 255.0).any())


def _overlap(mask: Tensor | None, alpha: Tensor | None) -> bool:
    """Whether a mask and an alpha have a visible pixel in common; None stands for everywhere.

    Interpolation would make neighbours overlap.
    """
    if mask is None or alpha is None:
        return _covers(alpha if mask is None else mask)
    size = max(mask.shape[2], alpha.shape[2]), max(mask.shape[3], alpha.shape[3])
    one, other = (F.interpolate(each, size, mode="nearest-exact") for each in (mask, alpha))
    return _covers(torch.minimum(one, other))


def _intersection(mask: Tensor | None, alpha: Tensor | None) -> Tensor | None:
    """The product of a mask and an alpha; None stands for everywhere."""
    if mask is None or alpha is None:
        return alpha if mask is None else mask
    return mask * resize(alpha, size_of(mask), "bilinear")


def _one_hot(number: int, count: int) -> tuple[float, ...]:
    return tuple(float(at == number) for at in range(count))
