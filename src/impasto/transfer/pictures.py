"""The pictures of a session: given, read, and made ready to be painted from."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto import images
from impasto.assembly.colors import recolored
from impasto.assembly.schedule import turned
from impasto.images import Source
from impasto.images.samples import in_few_bytes
from impasto.recipes.fields import STARTS, Input
from impasto.recipes.recipe import Recipe


@dataclass(frozen=True)
class Sources:
    """The pictures as they are given.

    Attributes:
        content, styles: whose content and whose style is taken.
        init: the first image, instead of what the recipe names.
        palette: the picture whose colours are taken, instead of the one that the recipe names.
    """

    content: Source
    styles: Sequence[Source]
    init: Source | None = None
    palette: Source | None = None


@dataclass(frozen=True)
class Pictures:
    """The pictures, read.

    Attributes:
        recipe: with their names and hashes.
        photo: the content as it came, (1, 3, H, W).
        content, styles: as they are compared with, recoloured where the recipe says so.
        colored: puts the colours that are wanted into what was painted.
        start: the first image, where it is a picture of its own.
        cutout, style_cutouts: where the content and each style are opaque; None: everywhere.
        notes: what there is to say about them.
    """

    recipe: Recipe
    photo: Tensor
    content: Tensor
    styles: list[Tensor]
    colored: Callable[[Tensor], Tensor]
    start: Tensor | None
    cutout: Tensor | None
    style_cutouts: list[Tensor | None]
    notes: tuple[str, ...]


def read_pictures(
    recipe: Recipe, sources: Sources, read: Callable[[Source], images.Picture], device: torch.device
) -> Pictures:
    """Read what was given and what the recipe names.

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
    photo, *paintings = (in_few_bytes(picture.pixels).to(device) for picture in (content, *styles))
    paintings = turned(recipe, paintings)
    aim = None if colors is None else colors.pixels.to(device)
    shown, compared, colored = recolored(recipe, photo, paintings, aim)
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
        colored=colored,
        start=None if start is None else start.pixels.to(device),
        cutout=content.alpha,
        style_cutouts=list(turned(recipe, [style.alpha for style in styles])),
        notes=tuple(f"{picture.name}: {note}" for picture in every for note in picture.notes),
    )


def _input(source: Source, picture: images.Picture) -> Input:
    path = os.fspath(source) if isinstance(source, str | os.PathLike) else picture.name
    return Input(path=path, sha256=picture.sha256)
