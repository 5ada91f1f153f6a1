"""The keywords of :func:`impasto.stylize`, for editors and type checkers.

Written by docs/settings.py from :mod:`impasto.recipes.settings`; None means not given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from impasto.images import Source
    from impasto.recipes.fields import (
        Change,
        Color,
        ColorMatch,
        ContentLossName,
        EncoderName,
        EngineName,
        Optimizer,
        Precision,
        Quality,
        RegionOf,
        SmoothnessLossName,
        StyleLossName,
    )
    from impasto.recipes.recipe import Recipe


class Keywords(TypedDict, total=False):
    """What can be given beside the pictures."""

    size: int | None
    strength: float | None
    style_weight: float | None
    color: Color | None
    steps: int | None
    seed: int | None
    preset: str | None
    device: str | None
    style_weights: Sequence[float] | None
    style_scales: Sequence[float] | None
    style_rotate: Sequence[int] | None
    style_flip: Sequence[str] | None
    palette: Source | None
    regions: Sequence[RegionOf | Mapping[str, Any]] | None
    color_match: ColorMatch | None
    content_weight: float | None
    measured_for: str | None
    tv_weight: float | None
    photo_weight: float | None
    content_layers: Mapping[str, float] | None
    style_layers: Mapping[str, float] | None
    style_target_layers: Mapping[str, str] | None
    content_loss: ContentLossName | None
    style_loss: StyleLossName | None
    style_losses: Mapping[str, Mapping[str, float]] | None
    tv_loss: SmoothnessLossName | None
    photo_finish: int | None
    encoder: EncoderName | Callable[..., Any] | None
    weights: str | None
    pooling: Literal["max", "average", "l2", "max-blur"] | None
    padding: Literal["zero", "replicate", "replicate-first", "reflect"] | None
    mean_pixel: Sequence[float] | None
    fit: Literal["long", "short", "height", "area"] | None
    aspect: float | None
    seamless: bool | None
    margin: int | None
    style_size: int | None
    style_fit: Literal["long", "short", "height", "area"] | None
    style_scale: float | None
    style_enlarge: bool | None
    resample: Literal["bicubic", "bilinear"] | None
    init: Source | None
    init_sha256: str | None
    noise: float | None
    init_noise: float | None
    smallest: int | None
    ratio: float | None
    detail: float | None
    engine: EngineName | None
    faithful: bool | None
    optimizer: Optimizer | None
    coarser: float | None
    first_level: float | None
    learning_rate: float | None
    betas: Sequence[float] | None
    averaging: float | None
    history: int | None
    history_memory: int | None
    initial_step_rms: float | None
    spectral_exponent: float | None
    bounded: bool | None
    white_level: Literal[1, 255] | None
    min_relative_decrease: float | None
    changes: Sequence[Change | Mapping[str, Any]] | None
    precision: Precision | None
    tile: int | None
    quality: Quality | None
    recipe: Recipe | None
    memory: str | int | None
    max_pixels: int
    progress: Callable[[int, int | None], None] | bool | None
