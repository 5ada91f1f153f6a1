"""A session's pictures: sources, reading, recolouring."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from impasto import images
from impasto.assembly.colors import recolored
from impasto.assembly.schedule import content_pixels, final_size, orient_styles, style_pixels
from impasto.engine.pyramid import Level
from impasto.geometry import Size, same_shape, size_of
from impasto.images import Source
from impasto.images.appearance import odd_looks
from impasto.images.samples import to_uint8_if_exact
from impasto.recipes.fields import STARTS, Input, RegionOf
from impasto.recipes.recipe import Recipe
from impasto.text import display_name

_MUCH_LARGER = 4


class Read(Protocol):
    """Reads a picture (:func:`impasto.images.read`)."""

    def __call__(self, source: Source, *, shrink_to: int = 0) -> images.Picture: ...


@dataclass(frozen=True)
class Sources:
    """The sources of a session's pictures.

    Attributes:
        content, styles: the content picture and the style pictures.
        init: the initial image, which replaces the recipe's ``init``.
        palette: the picture with the target colours, which replaces the recipe's ``palette``.
        masks: the pictures of masks in memory, by their paths in the recipe (:func:`name_masks`).
    """

    content: Source
    styles: Sequence[Source]
    init: Source | None = None
    palette: Source | None = None
    masks: Mapping[str, Source] = field(default_factory=dict)


def name_masks(regions: Iterable[RegionOf | Mapping[str, Any]]) -> tuple[list[Any], dict[str, Source]]:
    """Regions with names in place of the masks that are pictures in memory, and these pictures by name."""
    found: dict[str, Source] = {}

    def named(region: Mapping[str, Any]) -> dict[str, Any]:
        values = dict(region)
        for kind in ("mask", "style_mask"):
            if images.in_memory(values.get(kind)):
                name = f"<{kind.replace('_', '-')} {values.get('name')}>"
                found[name], values[kind] = values[kind], name
        return values

    return [named(each) if isinstance(each, Mapping) else each for each in regions], found


@dataclass(frozen=True)
class Pictures:
    """A session's pictures, after reading.

    Attributes:
        recipe: the recipe, with the pictures' names and hashes.
        photo: the original content, (1, 3, H, W).
        content_size: of the content's file, which may have been read reduced.
        content, styles: the pictures for the objective, recoloured by the recipe's ``color``.
        restore_colors: restores the colours in a result, by the recipe's ``color``.
        start: the initial image, where it is a separate picture; else None.
        alpha, style_alphas: alpha of the content and of each style; None where opaque.
    """

    recipe: Recipe
    photo: Tensor
    content_size: Size
    content: Tensor
    styles: list[Tensor]
    restore_colors: Callable[[Tensor], Tensor]
    start: Tensor | None
    alpha: Tensor | None
    style_alphas: list[Tensor | None]


def read_pictures(
    recipe: Recipe, sources: Sources, read: Read, device: torch.device, note: Callable[[str], None]
) -> Pictures:
    """Read the sources, and the pictures that the recipe names.

    Args:
        note: called with each conversion, as soon as a picture is read.

    Raises:
        ImageError: a picture cannot be read.
    """

    def noted(source: Source, shrink_to: int = 0) -> images.Picture:
        picture = read(source, shrink_to=shrink_to)
        for line in (*picture.notes, *odd_looks(picture)):
            note(f"{picture.name}: {line}")
        return picture

    content = noted(sources.content, content_pixels(recipe))
    final = final_size(recipe, content.size)
    styles = [noted(each, style_pixels(recipe, number, final)) for number, each in enumerate(sources.styles)]
    start = None
    if sources.init is not None or recipe.init not in STARTS:
        start = noted(recipe.init if sources.init is None else sources.init)
        if not same_shape(start.size, final):
            height, width = start.size
            note(f"{start.name}: an initial image of {width}x{height} is stretched to {final[1]}x{final[0]}")
    palette = sources.palette
    if palette is None and recipe.palette is not None:
        palette = recipe.palette.path
    colors = None if palette is None else noted(palette)
    photo, *painted = (to_uint8_if_exact(picture.pixels).to(device) for picture in (content, *styles))
    aim = None if colors is None else colors.pixels.to(device)
    shown, compared, restore_colors = recolored(recipe, photo, orient_styles(recipe, painted), aim)
    inputs = {
        "init": recipe.init if sources.init is None or start is None else start.name,
        "init_sha256": "" if start is None else start.sha256,
        "content": _input(sources.content, content),
        "styles": tuple(_input(*each) for each in zip(sources.styles, styles, strict=True)),
        "palette": None if palette is None or colors is None else _input(palette, colors),
    }
    return Pictures(
        recipe=recipe.model_copy(update=inputs),
        photo=photo,
        content_size=content.size,
        content=shown,
        styles=list(compared),
        restore_colors=restore_colors,
        start=None if start is None else start.pixels.to(device),
        alpha=content.alpha,
        style_alphas=list(orient_styles(recipe, [style.alpha for style in styles])),
    )


def enlargements(pictures: Pictures, level: Level) -> list[str]:
    """Notes about pictures that are much smaller than what is painted from them."""
    recipe = pictures.recipe
    pairs = [(recipe.content, pictures.content_size, level.size)] if recipe.content_weight else []
    pairs += zip(recipe.styles, map(size_of, pictures.styles), level.styles, strict=True)
    return [
        f"{display_name(given.path)}: a picture of {own[1]}x{own[0]} is enlarged to {size[1]}x{size[0]}"
        for given, own, size in pairs
        if given is not None and max(size) > _MUCH_LARGER * max(own)
    ]


def _input(source: Source, picture: images.Picture) -> Input:
    path = os.fspath(source) if isinstance(source, str | os.PathLike) else picture.name
    return Input(path=path, sha256=picture.sha256)
