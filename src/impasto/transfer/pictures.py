"""A session's pictures: sources, reading, recolouring."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto import images
from impasto.assembly.colors import recolored
from impasto.assembly.schedule import orient_styles
from impasto.images import Source
from impasto.images.samples import to_uint8_if_exact
from impasto.recipes.fields import STARTS, Input
from impasto.recipes.recipe import Recipe


@dataclass(frozen=True)
class Sources:
    """The sources of a session's pictures.

    Attributes:
        content, styles: the content picture and the style pictures.
        init: the initial image, which replaces the recipe's ``init``.
        palette: the picture with the target colours, which replaces the recipe's ``palette``.
    """

    content: Source
    styles: Sequence[Source]
    init: Source | None = None
    palette: Source | None = None


@dataclass(frozen=True)
class Pictures:
    """A session's pictures, after reading.

    Attributes:
        recipe: the recipe, with the pictures' names and hashes.
        photo: the original content, (1, 3, H, W).
        content, styles: the pictures for the objective, recoloured by the recipe's ``color``.
        restore_colors: restores the colours in a result, by the recipe's ``color``.
        start: the initial image, where it is a separate picture; else None.
        alpha, style_alphas: alpha of the content and of each style; None where opaque.
        notes: conversions made when reading the pictures, one line each.
    """

    recipe: Recipe
    photo: Tensor
    content: Tensor
    styles: list[Tensor]
    restore_colors: Callable[[Tensor], Tensor]
    start: Tensor | None
    alpha: Tensor | None
    style_alphas: list[Tensor | None]
    notes: tuple[str, ...]


def read_pictures(
    recipe: Recipe, sources: Sources, read: Callable[[Source], images.Picture], device: torch.device
) -> Pictures:
    """Read the sources, and the pictures that the recipe names.

    Raises:
        ImageError: a picture cannot be read.
    """
    content, *styles = (read(source) for source in (sources.content, *sources.styles))
    start = None
    if sources.init is not None or recipe.init not in STARTS:
        start = read(recipe.init if sources.init is None else sources.init)
    palette = sources.palette
    if palette is None and recipe.palette is not None:
        palette = recipe.palette.path
    colors = None if palette is None else read(palette)
    every = [content, *styles, *(each for each in (start, colors) if each is not None)]
    photo, *style_pixels = (to_uint8_if_exact(picture.pixels).to(device) for picture in (content, *styles))
    style_pixels = orient_styles(recipe, style_pixels)
    aim = None if colors is None else colors.pixels.to(device)
    shown, compared, restore_colors = recolored(recipe, photo, style_pixels, aim)
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
        content=shown,
        styles=list(compared),
        restore_colors=restore_colors,
        start=None if start is None else start.pixels.to(device),
        alpha=content.alpha,
        style_alphas=list(orient_styles(recipe, [style.alpha for style in styles])),
        notes=tuple(f"{picture.name}: {note}" for picture in every for note in picture.notes),
    )


def _input(source: Source, picture: images.Picture) -> Input:
    path = os.fspath(source) if isinstance(source, str | os.PathLike) else picture.name
    return Input(path=path, sha256=picture.sha256)
