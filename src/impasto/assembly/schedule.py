"""A recipe's schedule: sizes and iterations of the levels, the initial image, the solver."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import overload

import torch
from torch import Tensor

from impasto.engine.pyramid import Level, sizes, split
from impasto.engine.solvers.adam import Adam
from impasto.engine.solvers.lbfgs import LBFGS
from impasto.engine.solvers.solver import Solver
from impasto.engine.start import noise
from impasto.errors import ParameterError
from impasto.geometry import Size, cover, fit, measure, resize
from impasto.recipes.fields import Optimizer
from impasto.recipes.recipe import Recipe
from impasto.text import display_name

_STRIDE = 16  # of relu5_1, in pixels

HISTORY_MEMORY = 300
"""Megabytes for the L-BFGS history on a CPU, unless the recipe sets another limit."""


def build_levels(
    recipe: Recipe, content: Size, styles: Sequence[Size], *, min_side: int, final_only: bool = False
) -> list[Level]:
    """The levels, coarse to fine: sizes of the picture and of the styles, and iterations.

    Args:
        content, styles: original sizes of the pictures.
        min_side: the network's least side in pixels; coarse levels below it are left out.
        final_only: one level only, at the result's size.

    Raises:
        ParameterError: the result would be too small for the network.
    """
    final = final_size(recipe, content)
    if min(final) < min_side:
        raise ParameterError(_too_narrow(recipe, content, final, min_side), field="size")
    all_sizes = [final] if final_only else sizes(final, smallest=recipe.smallest, ratio=recipe.ratio)
    used = [align_to_grid(recipe, size) for size in all_sizes if min(size) >= min_side]
    counts = split(recipe.steps, len(used), coarser=recipe.coarser, first=recipe.first_level)
    return [
        Level(
            size,
            tuple(
                style_size(recipe, number, style, size, share=max(size) / max(final), min_side=min_side)
                for number, style in enumerate(styles)
            ),
            count,
        )
        for size, count in zip(used, counts, strict=True)
    ]


def final_size(recipe: Recipe, content: Size) -> Size:
    """(height, width) of the result for a content picture of that size."""
    return align_to_grid(recipe, fit(_proportions(recipe, content), recipe.size, recipe.fit))


def _proportions(recipe: Recipe, content: Size) -> Size:
    """A size with the result's proportions."""
    return content if recipe.aspect is None else (1 << 16, round((1 << 16) * recipe.aspect))


def _too_narrow(recipe: Recipe, content: Size, final: Size, min_side: int) -> str:
    """The error message for a result that is too narrow for the network, with the least size that would do."""

    def side(size: int) -> int:
        return min(final_size(recipe.model_copy(update={"size": size}), content))

    shape = _proportions(recipe, content)
    wanted = math.ceil(min_side * measure(shape, recipe.fit) / min(shape))
    while wanted > 1 and side(wanted - 1) >= min_side:
        wanted -= 1
    name = "content" if recipe.content is None else display_name(recipe.content.path)
    return (
        f"{name}: the chosen layers need at least {min_side} pixels on each side of the result, "
        f"got {final[1]}x{final[0]} from a picture of {content[1]}x{content[0]}; size {wanted} would do"
    )


def content_pixels(recipe: Recipe) -> int:
    """Pixels on a content picture's short side that are enough for the result, with some to spare; 0: all."""
    longest = recipe.size if recipe.aspect is None else max(final_size(recipe, (1, 1)))
    return _enough(longest) if recipe.size else 0


def style_pixels(recipe: Recipe, number: int, final: Size) -> int:
    """The same of the style picture of that index, for a result of size ``final``."""
    longest = max(final) if recipe.style_size is None else recipe.style_size
    return _enough(longest * recipe.scale_of(number)) if longest else 0


def _enough(pixels: float) -> int:
    return math.ceil(4 * max(pixels, 64))


def margin(recipe: Recipe, levels: Sequence[Level]) -> int:
    """Pixels painted beyond every edge: the recipe's margin, at most the least side of any level minus 1.

    0 for a seamless picture, which wraps around instead.
    """
    return 0 if recipe.seamless else min(recipe.margin, *(min(level.size) - 1 for level in levels))


def align_to_grid(recipe: Recipe, size: Size) -> Size:
    """For a seamless picture, the nearest size with sides that are multiples of 16; otherwise the size itself."""
    if not recipe.seamless:
        return size
    height, width = (max(1, round(side / _STRIDE)) * _STRIDE for side in size)
    return height, width


@overload
def orient_styles(recipe: Recipe, styles: Sequence[Tensor]) -> list[Tensor]: ...


@overload
def orient_styles(recipe: Recipe, styles: Sequence[Tensor | None]) -> list[Tensor | None]: ...


def orient_styles(recipe: Recipe, styles: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
    """The style pictures or their alphas, (1, C, H, W) each, first flipped, then rotated by the recipe's settings."""
    found: list[Tensor | None] = []
    for number, style in enumerate(styles):
        if style is None:
            found.append(None)
            continue
        degrees, flip = recipe.rotation_of(number)
        if flip != "no":
            style = style.flip(3 if flip == "horizontal" else 2)
        found.append(torch.rot90(style, -degrees // 90, (2, 3)).contiguous())
    return found


def style_size(
    recipe: Recipe, number: int, style: Size, picture: Size, *, share: float, min_side: int
) -> Size:
    """The size of a style picture at a level.

    Args:
        number: index of the style, from 0.
        style: its original size.
        picture: the level's size.
        share: the level's long side divided by the final level's.
        min_side: the network's least side in pixels.
    """
    scale = recipe.scale_of(number)
    if recipe.style_size is None:
        pixels = measure(picture, recipe.style_fit) * scale
    elif recipe.style_size == 0:
        pixels = max(style) * scale * share
    else:
        pixels = recipe.style_size * scale * share
    how = recipe.style_fit if recipe.style_size is None else "long"
    size = fit(style, pixels, how, enlarge=recipe.style_enlarge)
    # A narrow style picture is enlarged instead of refused; its strokes become a little larger.
    return size if min(size) >= min_side else fit(style, min_side, "short")


def build_start(
    recipe: Recipe, size: Size, content: Tensor, styles: Sequence[Tensor], picture: Tensor | None
) -> Tensor:
    """The initial image, (1, 3, height, width) on the content's device.

    Args:
        picture: the user's initial image, which replaces the recipe's ``init``.
    """
    if picture is not None:
        start = resize(picture, size)
    elif recipe.init == "content":
        start = resize(content, size, recipe.resample)
    elif recipe.init == "style":
        start = cover(styles[0], size)
    elif recipe.init == "noise":
        return _noise(recipe, size).to(content.device)
    else:
        raise TypeError(f"init {recipe.init!r}: expected the file's picture, got None")
    if not recipe.init_noise:
        return start
    return start.lerp(_noise(recipe, size).to(start), recipe.init_noise)


def _noise(recipe: Recipe, size: Size) -> Tensor:
    """Noise around the network's mean colour."""
    generator = torch.Generator().manual_seed(recipe.seed)
    red, green, blue = (value / 255.0 for value in recipe.mean_pixel or (123.68, 116.779, 103.939))
    return noise(size, centre=(red, green, blue), deviation=recipe.noise / 255.0, generator=generator)


def build_solver(recipe: Recipe) -> Solver:
    """A new solver."""
    return SOLVERS[recipe.optimizer](recipe)


def _lbfgs(recipe: Recipe, *, line_search: bool) -> Solver:
    memory = HISTORY_MEMORY if recipe.history_memory is None else recipe.history_memory
    return LBFGS(
        history=recipe.history,
        history_bytes=memory * 1_000_000,
        line_search=line_search,
        learning_rate=learning_rate(recipe),
        initial_step_rms=recipe.initial_step_rms / 255.0 * recipe.white_level,
        spectral_exponent=recipe.spectral_exponent,
        bounds=_bounds(recipe),
    )


def _adam(recipe: Recipe) -> Solver:
    return Adam(
        learning_rate=learning_rate(recipe),
        betas=recipe.betas,
        averaging=recipe.averaging,
        bounds=_bounds(recipe),
    )


def _bounds(recipe: Recipe) -> tuple[float, float] | None:
    return (0.0, float(recipe.white_level)) if recipe.bounded else None


SOLVERS: dict[Optimizer, Callable[[Recipe], Solver]] = {
    "lbfgs": partial(_lbfgs, line_search=False),
    "lbfgs-wolfe": partial(_lbfgs, line_search=True),
    "adam": _adam,
}


def learning_rate(recipe: Recipe) -> float:
    """The recipe's learning rate; without one, 0.02 of the white level for Adam and 1 for L-BFGS."""
    return recipe.learning_rate or (0.02 * recipe.white_level if recipe.optimizer == "adam" else 1.0)
