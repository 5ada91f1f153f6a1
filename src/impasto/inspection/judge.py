"""Evaluate an objective on any tool's saved picture: every term, layer by layer, weighted and unweighted.

Tools report losses at different sizes and with different reductions, often before rounding to 8 bits. Here every
picture is evaluated as it was saved, with the objective of any preset.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from impasto import color, images
from impasto.assembly.colors import recolored
from impasto.assembly.device import adapt_to_machine, choose_device, choose_precision
from impasto.assembly.masks import read_masks
from impasto.assembly.networks import ENCODERS, Encoder, Progress, build_encoder, check_layers, own_encoder
from impasto.assembly.objective import build_evaluation, build_objective, min_side
from impasto.assembly.schedule import (
    align_to_grid,
    content_pixels,
    final_size,
    orient_styles,
    style_pixels,
    style_size,
)
from impasto.engine.evaluation import Evaluate
from impasto.errors import ParameterError
from impasto.geometry import Size, fit, resize, size_of
from impasto.images import Source
from impasto.images.samples import to_uint8_if_exact
from impasto.modes import own_modes
from impasto.recipes.fields import Input
from impasto.recipes.presets import change, resolve
from impasto.recipes.recipe import Recipe

_MAX_ASPECT_ERROR = 0.02
"""Allowed difference of log aspect ratios between result and content, in addition to one pixel of rounding."""


@dataclass(frozen=True)
class TermValue:
    """The value of one term for one picture.

    Attributes:
        name: such as "content relu4_2", "style relu1_1", "tv".
        weight: the product of all its weights.
        value: the unweighted loss.
        weighted: weight × value.
        share: its share of the total loss.
    """

    name: str
    weight: float
    value: float
    weighted: float
    share: float


@dataclass(frozen=True)
class Judgement:
    """The losses of one picture at one size.

    Attributes:
        result: the picture's name.
        size: (width, height) of the evaluation.
        loss: the total.
        terms: the weighted values sum to the total.
        notes: conversions made when reading the picture, one line each.
    """

    result: str
    size: tuple[int, int]
    loss: float
    terms: tuple[TermValue, ...]
    notes: tuple[str, ...]


class Judge:
    """An objective with a content and one or more styles; call it with a picture to get the picture's losses.

    For a result of :func:`impasto.stylize`, with its embedded recipe and the same precision, the loss equals the
    reported loss.

    Args:
        content, style: the input pictures; ``style`` may be several, in any iterable.
        recipe: the settings, such as the recipe embedded in a result; None uses a preset.
        max_pixels: larger pictures are refused from their header.
        progress: called with (bytes done, bytes in all) while weights are downloaded.
        options: ``preset``, ``style_weight``, ``style_layers``, …: the fields of :class:`impasto.Recipe` that define
            the objective. ``encoder`` may also be a network object. The default precision is float32.

    Attributes:
        recipe: the settings.
        notes: conversions made when reading the pictures, one line each.

    Raises:
        InputError: a picture, an option or the recipe cannot be used.

    Example:
        >>> judge = Judge("photo.jpg", "painting.jpg", preset="pastiche")  # doctest: +SKIP
        >>> judge("theirs.png").loss, judge("theirs.png", size=256).loss  # doctest: +SKIP
    """

    @own_modes()
    def __init__(
        self,
        content: Source,
        style: Source | Iterable[Source],
        *,
        recipe: Recipe | None = None,
        max_pixels: int = images.MAX_PIXELS,
        progress: Progress | None = None,
        **options: Any,
    ) -> None:
        given = options.pop("encoder", None)
        own = own_encoder(given)
        settings = {**options, "encoder": "custom" if own else given}
        notes: tuple[str, ...] = ()
        if recipe is None:
            self.recipe = resolve(**settings)
        else:
            asked = {name for name, value in settings.items() if value is not None}
            self.recipe, notes = adapt_to_machine(change(recipe, settings), asked=asked)
        self._min_side = _needed_side(self.recipe, own)
        if self.recipe.strength is not None and self.recipe.measured_for is None:
            raise ParameterError(
                "strength: expected a content and a style weight to judge by, got a strength that is not measured; "
                "give content_weight and style_weight instead"
            )
        self.objective = build_objective(self.recipe)
        self.device = choose_device(self.recipe.device)
        dtype, self.precision = choose_precision(self.recipe.precision, self.device, exact=True)
        sources = images.as_list(style)
        self.recipe.check_styles(len(sources))
        read = partial(images.read, max_pixels=max_pixels)
        # The content of a result is read as it was for that result, perhaps reduced.
        photograph = read(content, shrink_to=0 if recipe is None else content_pixels(recipe))
        final = final_size(self.recipe, photograph.size)
        reduced = [0 if recipe is None else style_pixels(recipe, at, final) for at in range(len(sources))]
        pictures = [photograph, *map(lambda each, pixels: read(each, shrink_to=pixels), sources, reduced)]
        inputs = [Input(path=picture.name, sha256=picture.sha256) for picture in pictures]
        self.recipe = self.recipe.model_copy(update={"content": inputs[0], "styles": tuple(inputs[1:])})
        self.notes = (*notes, *(f"{picture.name}: {note}" for picture in pictures for note in picture.notes))
        photo, *styles = (to_uint8_if_exact(picture.pixels).to(self.device) for picture in pictures)
        aim = None
        if self.recipe.palette is not None:
            aim = images.read(self.recipe.palette.path, max_pixels=max_pixels).pixels.to(self.device)
        styles = orient_styles(self.recipe, styles)
        self._content, self._styles, _ = recolored(self.recipe, photo, styles, aim)
        self._masks = read_masks(
            self.recipe,
            photograph.size,
            read,
            self.device,
            alpha=pictures[0].alpha,
            style_alphas=orient_styles(self.recipe, [picture.alpha for picture in pictures[1:]]),
        )
        self._max_pixels = max_pixels
        self._encoder = own or build_encoder(self.recipe, progress=progress)
        self._encoder = self._encoder.to(device=self.device, dtype=dtype)
        self._cached: tuple[object, Evaluate] | None = None

    @own_modes()
    def __call__(self, result: Source, *, size: int = 0) -> Judgement:
        """Evaluate the losses of a picture.

        Args:
            result: the saved picture.
            size: long side in pixels of the evaluation; result, content and styles are scaled down alike. 0 keeps
                the picture's size.

        Raises:
            InputError: the picture cannot be read, has another aspect ratio than the content, or is too small for
                the network or for ``size``.
        """
        picture = images.read(result, max_pixels=self._max_pixels)
        own = size_of(picture.pixels)
        if not 0 <= size <= max(own):
            raise ParameterError(
                f"sizes: expected at most the long side of {picture.name}, {max(own)} pixels, got {size}"
            )
        at = align_to_grid(self.recipe, fit(own, size))
        self._check(picture.name, own, at)
        evaluation = self._evaluate(at, max(at) / max(own))(
            resize(self._as_minimized(picture.pixels.to(self.device)), at, self.recipe.resample),
            with_gradient=False,
        )
        weights = {term.name: term.weight for term in self.objective}
        return Judgement(
            picture.name,
            (at[1], at[0]),
            evaluation.loss,
            tuple(
                TermValue(name, weights[name], value / weights[name], value, value / (evaluation.loss or 1.0))
                for name, value in evaluation.terms.items()
            ),
            tuple(f"{picture.name}: {note}" for note in picture.notes),
        )

    def _as_minimized(self, result: Tensor) -> Tensor:
        """The picture that the losses are computed on: grey for ``color="keep"``, where colours are restored last."""
        return color.to_gray(result) if self.recipe.color == "keep" else result

    def _check(self, name: str, own: Size, at: Size) -> None:
        expected = size_of(self._content)
        off = abs(math.log(own[0] * expected[1] / (own[1] * expected[0])))
        if off > _MAX_ASPECT_ERROR + 1.0 / min(own):
            raise ParameterError(
                f"{name}: expected the proportions of the content, {expected[1]}x{expected[0]}, "
                f"got {own[1]}x{own[0]}"
            )
        if min(at) < self._min_side:
            raise ParameterError(
                f"{name}: the chosen layers need at least {self._min_side} pixels on each side, got {at[1]}x{at[0]}"
            )

    def _evaluate(self, at: Size, share: float) -> Evaluate:
        """The objective's evaluation at a size; the last one is cached, for pictures of equal size."""
        sizes = [
            style_size(self.recipe, number, size_of(style), at, share=share, min_side=self._min_side)
            for number, style in enumerate(self._styles)
        ]
        key = (at, sizes)
        if self._cached is None or self._cached[0] != key:
            self._cached = None
            prepare = build_evaluation(
                self._encoder,
                self.objective,
                self.recipe.style_shares,
                white_level=1.0,
                tile=self.recipe.tile,
                regions=self._masks.regions,
                seamless=self.recipe.seamless,
                tf32=self.precision == "tf32",
            )
            resample = self.recipe.resample
            styles = [
                partial(resize, style, size, resample)
                for style, size in zip(self._styles, sizes, strict=True)
            ]
            self._cached = key, prepare(partial(resize, self._content, at, resample), styles)
        return self._cached[1]


def _needed_side(recipe: Recipe, own: Encoder | None) -> int:
    """The least side in pixels that the objective's layers need; refuses unknown layers."""
    if own is None and recipe.encoder == "custom":
        raise ParameterError(
            "encoder: the recipe was made with a custom network, which is not stored in it; pass it as encoder="
        )
    check_layers(recipe, own.layers if own else ENCODERS[recipe.encoder].layers())
    return 1 if own else min_side(ENCODERS[recipe.encoder], build_objective(recipe))
