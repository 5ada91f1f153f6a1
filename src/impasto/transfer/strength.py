"""`strength`: one slider instead of content and style weight, comparable for all pictures, presets and sizes.

The presets' losses differ by up to ten orders of magnitude, and the same weight has different effects on two pairs of
pictures. At convergence, the two weighted gradients cancel:

    content weight × |∇content| = style weight × |∇style|

The ratio of the gradient norms at a stylised picture therefore estimates the weight that leads to such a picture. The
pictures for this estimate come from a short optimisation of the style loss alone, from the photograph, at a small
size. Its last picture also gives the content loss of a picture of style alone. A short trial optimisation with the
estimated weight then measures the share of the content that is given up, and the weight is corrected by it.
``docs/strength.md`` describes the slider's values, which ``benchmarks/strength.py`` measured.
"""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from impasto.assembly.objective import build_objective
from impasto.assembly.schedule import build_levels
from impasto.engine.cache import LRUCache
from impasto.engine.evaluation import Evaluate, Evaluation, EvaluatorFactory
from impasto.engine.pyramid import Level
from impasto.engine.solvers.lbfgs import LBFGS
from impasto.errors import ParameterError
from impasto.geometry import Size, fit, resize, size_of
from impasto.losses.objective import Objective, draws
from impasto.recipes.fields import StyleLossName
from impasto.recipes.recipe import Recipe

SIDE = 128
"""Long side in pixels of the measurement, for results of any size."""

_STEPS = 20  # of each optimisation: style alone, and the trial
_MEASURED_STEPS = 10  # the last ones of the style-only optimisation; earlier pictures have too little style
_AT_REST = 1.3  # factor on the trial's weight: at convergence, a picture has regained some of its content
_MIN_SHARE = 0.01  # share of the content that is given up at strength 0, and kept at strength 1
_LOSS = 20.0  # the weighted style loss at the photograph
_ROUNDING = 1e-6  # of a black picture's style loss; a smaller loss counts as no difference in style
_MIN_GIVEN_UP = 0.05  # lower limit of the trial's share, and of 1 - share, in the correction

# Losses that are sums over pixels grow with a power of the number of pixels; all others do not grow.
_GROWTH = {"half-sum": 1, "gram-sums": 2}


def balance(
    recipe: Recipe,
    *,
    content: Tensor,
    styles: Sequence[Tensor],
    size: Size,
    min_side: int,
    prepare: Callable[[Objective], EvaluatorFactory],
    cache: LRUCache | None = None,
) -> Recipe:
    """The recipe with the style weight for its strength; unchanged if that weight was measured before.

    Strength s should give up the share s of the content: the content loss divided by the content loss of a picture of
    style alone, both at convergence. The content weight stays the preset's.

    Args:
        recipe: with a strength, and with the hashes of its pictures.
        content, styles: at their original sizes, (1, 3, H, W).
        size: of the result; it matters only for losses that are sums over pixels, and for styles of fixed size.
        min_side: the network's least side in pixels.
        prepare: returns the factory of an objective's evaluation, for pictures in [0, 255].
        cache: earlier measurements with the same network; one measurement serves all strengths.

    Raises:
        ParameterError: there is no gradient to measure, for example because style and content are the same picture.
    """
    assert recipe.strength is not None
    level = _level(recipe, content, styles, size=size, min_side=min_side)
    digest = _digest(recipe, level, size)
    if recipe.measured_for == digest:
        return recipe

    def measure() -> float:
        return _weight_at_half(
            recipe,
            resize(content, level.size, recipe.resample),
            [resize(style, size, recipe.resample) for style, size in zip(styles, level.styles, strict=True)],
            prepare,
        )

    # The key has no strength: one measurement serves all strengths.
    key = ("strength", _digest(recipe.model_copy(update={"strength": None}), level, size), recipe.tile)
    at_half = measure() if cache is None else cache.get(key, measure, lambda _: 8)
    pixels = (size[0] * size[1]) / (level.size[0] * level.size[1])
    growth = _GROWTH.get(recipe.content_loss, 0) - _style_growth(recipe)
    weight = at_half * odds(recipe.strength) * pixels**growth
    if not 0.0 < weight < math.inf:
        raise ParameterError(
            "strength: expected a style that differs from the content, got no gradient to balance; "
            "give content_weight and style_weight instead"
        )
    # Three digits: the measurement is no more precise. 1e15 is a recipe's largest weight.
    weight = min(float(f"{weight:.3g}"), 1e15)
    return recipe.model_copy(update={"style_weight": weight, "measured_for": digest})


def _style_losses(recipe: Recipe) -> set[StyleLossName]:
    """The style losses of all layers."""
    return {name for layer in recipe.style_layers for name in recipe.losses_at(layer)}


def _style_growth(recipe: Recipe) -> int:
    """The power of the number of pixels with which the style loss grows.

    Raises:
        ParameterError: the losses grow with different powers.
    """
    powers = {_GROWTH.get(name, 0) for name in _style_losses(recipe)}
    if len(powers) > 1:
        raise ParameterError(
            "strength: expected style losses that grow alike with a picture's size, got gram-sums beside others"
        )
    return powers.pop()


def odds(strength: float) -> float:
    """The style weight of a strength, as a multiple of the weight m of strength 0.5.

    A style weight w gives up the share w / (w + m) of the content. The share s therefore needs the weight
    m · s / (1 − s).
    """
    share = _MIN_SHARE + (1.0 - 2.0 * _MIN_SHARE) * strength
    return share / (1.0 - share)


def _level(recipe: Recipe, content: Tensor, styles: Sequence[Tensor], *, size: Size, min_side: int) -> Level:
    """The level of the measurement: its size, and the styles' sizes."""
    own, own_styles = size_of(content), [size_of(style) for style in styles]
    long = max(SIDE, max(fit(own, min_side, "short")))
    # A style of fixed size keeps its size relative to the picture.
    share = 1.0 if recipe.style_size is None else long / max(size)
    small = recipe.model_copy(update={"size": long, "fit": "long", "style_scale": recipe.style_scale * share})
    (level,) = build_levels(small, own, own_styles, min_side=min_side, final_only=True)
    return level


NOT_MEASURED = frozenset(
    (
        # Results of the measurement, and names without an effect of their own.
        *("style_weight", "measured_for", "init_sha256", "preset", "quality"),
        # Pictures, sizes and shares of styles: the digest has the hashes, sizes and shares that follow from them.
        *("content", "styles", "palette", "style_weights", "size", "fit", "aspect"),
        *("style_size", "style_fit", "style_scale", "style_scales", "style_enlarge"),
        # How the picture is optimised: the measurement has its own schedule and solver.
        *("init", "noise", "init_noise", "smallest", "ratio", "detail", "margin", "photo_finish", "faithful"),
        *(
            "engine",
            "optimizer",
            "steps",
            "coarser",
            "first_level",
            "learning_rate",
            "betas",
            "averaging",
            "history",
        ),
        *("history_memory", "initial_step_rms", "spectral_exponent", "bounded", "white_level"),
        *("min_relative_decrease", "changes", "seed", "device", "precision", "tile"),
    )
)
"""Settings that a strength's style weight does not depend on."""


def _digest(recipe: Recipe, level: Level, size: Size) -> str:
    """Digest of everything that the measurement depends on; a change of the digest triggers a new measurement."""
    pictures = [each.sha256 for what, each in recipe.inputs if what != "init"]
    settings = recipe.model_dump(mode="json", exclude={*NOT_MEASURED, "regions"})
    regions = [region.model_dump(mode="json", exclude={"mask", "style_mask"}) for region in recipe.regions]
    grows = size if {recipe.content_loss, *_style_losses(recipe)} & _GROWTH.keys() else None
    drawn = recipe.seed if draws(build_objective(recipe)) else None
    everything = (pictures, recipe.style_shares, settings, regions, drawn, level.size, level.styles, grows)
    return hashlib.blake2b(repr(everything).encode(), digest_size=8).hexdigest()


def _weight_at_half(
    recipe: Recipe,
    content: Tensor,
    styles: Sequence[Tensor],
    prepare: Callable[[Objective], EvaluatorFactory],
) -> float:
    """The style weight that gives up half of the content at the measurement's size; NaN if there is no gradient."""

    def evaluation(**weights: float) -> Evaluate:
        objective = build_objective(recipe.model_copy(update=weights))
        return prepare(objective)(
            lambda: content, [partial(resize, style, size_of(style)) for style in styles]
        )

    content_at = evaluation(style_weight=0.0, tv_weight=0.0, photo_weight=0.0)
    style_at = evaluation(content_weight=0.0, style_weight=1.0, tv_weight=0.0, photo_weight=0.0)
    photograph, black = content * 255.0, torch.zeros_like(content)
    before = style_at(photograph, with_gradient=False).loss
    if before <= _ROUNDING * style_at(black, with_gradient=False).loss:
        return math.nan
    # The solver's tolerances are for losses of the default preset's magnitude.
    base = _LOSS / before
    style_at = evaluation(content_weight=0.0, style_weight=base, tv_weight=0.0, photo_weight=0.0)
    norms: list[float] = []
    ratios: list[float] = []

    def recorded(x: Tensor, *, with_gradient: bool = True) -> Evaluation:
        found = style_at(x, with_gradient=with_gradient)
        norms.append(float(found.gradient.norm()))
        if len(norms) > _STEPS - _MEASURED_STEPS and norms[-1]:
            ratios.append(float(content_at(x).gradient.norm()) / norms[-1] * base)
        return found

    alone = content_at(_iterated(photograph, recorded), with_gradient=False).loss
    guess = statistics.median(ratios) if ratios else 0.0
    if not alone or not guess:
        return math.nan
    scale = base / guess
    trial = evaluation(
        content_weight=scale * recipe.content_weight,
        style_weight=base,
        tv_weight=scale * recipe.tv_weight,
        photo_weight=scale * recipe.photo_weight,
    )
    given_up = content_at(_iterated(photograph, trial), with_gradient=False).loss / alone
    given_up = min(max(given_up, _MIN_GIVEN_UP), 1.0 - _MIN_GIVEN_UP)
    return _AT_REST * guess * (1.0 - given_up) / given_up


def _iterated(picture: Tensor, evaluate: Evaluate) -> Tensor:
    """The best picture after a few steps, in [0, 255]; always with L-BFGS, independent of the recipe's solver."""
    x = picture.clone(memory_format=torch.contiguous_format)
    solver = LBFGS(history=_STEPS, initial_step_rms=4.0, bounds=(0.0, 255.0))
    for _ in range(_STEPS):
        if solver.step(x, evaluate).ended:
            break
    return solver.best(x)
