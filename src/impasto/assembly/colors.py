"""Which colours the result has (option ``color``): changes to the inputs before, and to the result after.

style    the style's colours: no change
keep     the photograph's colours, by luminance-only transfer (Gatys et al. 2016, section 3.2). Photograph and style
         become grey, the style's lightness is matched to the photograph's, and the colours are restored at the end
match    the photograph's colours, by recolouring the style first (section 3.1)
palette  the colours of a third picture, by recolouring photograph and style first
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from impasto import color
from impasto.geometry import resize, size_of
from impasto.recipes.recipe import Recipe

Finish = Callable[[Tensor], Tensor]
"""Applied to a result, (1, 3, H, W) in [0, 1], before display or saving. Idempotent."""

MATCHES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "covariance": color.match_mean_covariance,
    "histogram": color.match_distribution,
}


def recolored(
    recipe: Recipe, content: Tensor, styles: Sequence[Tensor], palette: Tensor | None
) -> tuple[Tensor, list[Tensor], Finish]:
    """The recoloured content and styles, and the function that restores colours in the result.

    Args:
        content, styles, palette: (1, 3, H, W), float in [0, 1] or uint8. The returned pictures have the same type.
    """
    match = MATCHES[recipe.color_match]
    if recipe.color == "keep":
        plain = _as_type_of(content, color.to_gray(_float(content)))
        matched = [
            _as_type_of(style, color.match_lightness(_float(style), _float(plain))) for style in styles
        ]
        return plain, matched, lambda painted: _restore_colors(content, painted)
    if recipe.color == "match":
        return (
            content,
            [_as_type_of(style, match(_float(style), _float(content))) for style in styles],
            _identity,
        )
    if recipe.color == "palette":
        assert palette is not None  # checked by the recipe
        aim = _float(palette)
        content, *rest = (_as_type_of(each, match(_float(each), aim)) for each in (content, *styles))
        return content, rest, _identity
    return content, list(styles), _identity


def _identity(painted: Tensor) -> Tensor:
    return painted


def _restore_colors(photo: Tensor, painted: Tensor) -> Tensor:
    return color.with_chroma_of(painted, resize(photo, size_of(painted)))


def _float(picture: Tensor) -> Tensor:
    return picture.float().div_(255.0) if picture.dtype == torch.uint8 else picture


def _as_type_of(before: Tensor, picture: Tensor) -> Tensor:
    """``picture`` in the number type of ``before``."""
    return (picture * 255.0).round_().to(torch.uint8) if before.dtype == torch.uint8 else picture
