"""Texture synthesis: a style without a content, from noise (Gatys, Ecker and Bethge 2015, arXiv:1505.07376)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from impasto import images
from impasto.engine.step import Step
from impasto.errors import ParameterError
from impasto.images import Source
from impasto.transfer import api
from impasto.transfer.result import Result

_COARSEST = 128
"""Long side of the style at the coarsest level, in pixels: small enough that its largest structures fit into a
feature's receptive field."""


def settings(
    style: tuple[int, int], size: int, *, seamless: bool = False, aspect: float = 1.0
) -> dict[str, Any]:
    """The recipe fields for texture synthesis.

    Args:
        style: (width, height) of the style picture; it is not resized, so that strokes keep their size.
        size: long side of the texture in pixels.
        seamless: make the texture tileable.
        aspect: width / height.
    """
    smallest = max(32, min(size, round(_COARSEST * size / max(style))))
    return {
        "size": size,
        "aspect": aspect,
        "seamless": seamless,
        "content_weight": 0.0,
        "photo_weight": 0.0,
        "photo_finish": 0,
        "init": "noise",
        "detail": 0.0,
        "style_size": 0,
        "smallest": smallest,
    }


def texture(
    style: Source | Iterable[Source],
    size: int = 512,
    *,
    seamless: bool = False,
    aspect: float = 1.0,
    on_step: Callable[[Step], object] | None = None,
    **options: Any,
) -> Result:
    """Synthesise a texture from one or several style pictures.

    Args:
        style: one picture, or several, in any iterable.
        size: long side in pixels; the sides of a seamless texture are rounded to multiples of 16.
        seamless: make the texture tileable.
        aspect: width / height.
        on_step: called with each :class:`impasto.Step`.
        options: as for :func:`impasto.stylize`.

    Raises:
        InputError: a picture or an option cannot be used.
        DivergedError: the optimisation diverged.
    """
    styles = images.as_list(style)
    if not styles:
        raise ParameterError("style: expected at least one picture, got none")
    height, width = images.read(styles[0]).size
    given = settings((width, height), size, seamless=seamless, aspect=aspect) | options
    return api.stylize(styles[0], styles, on_step=on_step, **given)
