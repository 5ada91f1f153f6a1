"""`strength`: one slider in place of the content and the style weight, the same for any pictures, preset and size.

Presets weigh losses that lie ten powers of ten apart, and one weight does not do the same to two pairs. What a weight
does is decided where the picture comes to rest, and there the two weighted gradients cancel:

    content weight × |∇content| = style weight × |∇style|

So the norms of the gradients at a picture with much style say about which weight leads to one. Such pictures are had
by walking from the photograph towards the style alone, at a small size. The end of that walk also says how much of
the content there is to give up, and a short trial at that weight says how much of it is given up: by that the weight
is corrected. What the slider's values mean is in ``docs/strength.md``, measured by ``benchmarks/strength.py``.
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
"""Long side of the pictures that are measured at, whatever the size of the result."""

_STEPS = 20  # of the walk, and of the trial
_COUNTED = 10  # of the walk's, the last: before, there is too little style
_REST = 1.3  # times as much weight as the trial says: at rest a picture has more of its content back
_LEAST = 0.01  # share of the content that is given up at 0, and kept at 1
_LOSS = 20.0  # the style's, weighted, at the photograph
_ROUNDING = 1e-6  # of the loss of a black picture: less is no difference of style
_SAID = 0.05  # the least share that a trial's correction goes by

# A loss that is a sum over pixels grows with their number, where the others stay: to which power.
_GROWTH = {"half-sum": 1, "gram-sums": 2}


def balanced(
    recipe: Recipe,
    *,
    content: Tensor,
    styles: Sequence[Tensor],
    size: Size,
    least: int,
    prepare: Callable[[Objective], EvaluatorFactory],
    kept: LRUCache | None = None,
) -> Recipe:
    """The recipe with the style weight that its strength comes to; as it is, if that has been measured already.

    Strength s is meant to give up the share s of the content: content loss / content loss of a picture of the style
    alone, both at rest. The content weight stays the preset's.

    Args:
        recipe: has a strength, and the hashes of its pictures.
        content, styles: as they came, (1, 3, H, W).
        size: of the result. Only losses that are sums over pixels, and styles of fixed size, depend on it.
        least: pixels the network needs on each side.
        prepare: how an objective is evaluated at pictures in [0, 255].
        kept: what has been measured with the same network, for other strengths.

    Raises:
        ParameterError: the pictures give no gradient to measure, such as a style that the content has already.
    """
    assert recipe.strength is not None
    level = _level(recipe, content, styles, size=size, least=least)
    digest = _digest(recipe, level, size)
    if recipe.measured_for == digest:
        return recipe

    def measure() -> float:
        return _middle(
            recipe,
            resize(content, level.size, recipe.resample),
            [resize(style, size, recipe.resample) for style, size in zip(styles, level.styles, strict=True)],
            prepare,
        )

    # One measurement serves every strength.
    key = ("strength", _digest(recipe.model_copy(update={"strength": None}), level, size), recipe.tile)
    middle = measure() if kept is None else kept.get(key, measure, lambda _: 8)
    pixels = (size[0] * size[1]) / (level.size[0] * level.size[1])
    growth = _GROWTH.get(recipe.content_loss, 0) - _style_growth(recipe)
    weight = middle * odds(recipe.strength) * pixels**growth
    if not 0.0 < weight < math.inf:
        raise ParameterError(
            "strength: expected a style that the content has not already, got nothing to balance; "
            "give content_weight and style_weight instead"
        )
    # To three digits: it is not known better, and shall be read. A recipe holds no more than 1e15.
    weight = min(float(f"{weight:.3g}"), 1e15)
    return recipe.model_copy(update={"style_weight": weight, "measured_for": digest})


def _style_losses(recipe: Recipe) -> set[StyleLossName]:
    """Those of any layer."""
    return {name for layer in recipe.style_layers for name in recipe.losses_at(layer)}


def _style_growth(recipe: Recipe) -> int:
    """The power of the number of pixels that the style's loss grows with.

    Raises:
        ParameterError: one loss grows and another does not.
    """
    powers = {_GROWTH.get(name, 0) for name in _style_losses(recipe)}
    if len(powers) > 1:
        raise ParameterError(
            "strength: expected style losses that a picture's size changes alike, got gram-sums beside others"
        )
    return powers.pop()


def odds(strength: float) -> float:
    """How many times the weight of strength 0.5 a strength comes to.

    A style weight w gives up the share w / (w + m) of the content, so the share s takes s / (1 − s) times m.
    """
    share = _LEAST + (1.0 - 2.0 * _LEAST) * strength
    return share / (1.0 - share)


def _level(recipe: Recipe, content: Tensor, styles: Sequence[Tensor], *, size: Size, least: int) -> Level:
    """The size to measure at, and the styles' there."""
    own, own_styles = size_of(content), [size_of(style) for style in styles]
    long = max(SIDE, max(fit(own, least, "short")))
    # A style of fixed size is as large beside the picture as it will be beside the result.
    share = 1.0 if recipe.style_size is None else long / max(size)
    small = recipe.model_copy(update={"size": long, "fit": "long", "style_scale": recipe.style_scale * share})
    (level,) = build_levels(small, own, own_styles, least=least, final_only=True)
    return level


NOT_MEASURED = frozenset(
    (
        # What the measurement finds, or is not told.
        *("style_weight", "measured_for", "init_sha256", "preset", "quality"),
        # The pictures, the sizes they are compared at, and the styles' shares: they count as what they come to.
        *("content", "styles", "palette", "style_weights", "size", "fit", "aspect"),
        *("style_size", "style_fit", "style_scale", "style_scales", "style_enlarge"),
        # How the picture is painted: the measurement has a way of its own.
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
    """Of all that the measurement depends on, so that it is made again when that has changed, and only then."""
    pictures = [each.sha256 for what, each in recipe.inputs if what != "init"]
    settings = recipe.model_dump(mode="json", exclude={*NOT_MEASURED, "regions"})
    regions = [region.model_dump(mode="json", exclude={"mask", "style_mask"}) for region in recipe.regions]
    grows = size if {recipe.content_loss, *_style_losses(recipe)} & _GROWTH.keys() else None
    drawn = recipe.seed if draws(build_objective(recipe)) else None
    everything = (pictures, recipe.style_shares, settings, regions, drawn, level.size, level.styles, grows)
    return hashlib.blake2b(repr(everything).encode(), digest_size=8).hexdigest()


def _middle(
    recipe: Recipe,
    content: Tensor,
    styles: Sequence[Tensor],
    prepare: Callable[[Objective], EvaluatorFactory],
) -> float:
    """The style weight that gives up half of the content, for pictures of the size to measure at; or no number."""

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
    # The solver's tolerances are for losses about as large as the default preset's.
    base = _LOSS / before
    style_at = evaluation(content_weight=0.0, style_weight=base, tv_weight=0.0, photo_weight=0.0)
    norms: list[float] = []
    ratios: list[float] = []

    def watched(x: Tensor, *, with_gradient: bool = True) -> Evaluation:
        found = style_at(x, with_gradient=with_gradient)
        norms.append(float(found.gradient.norm()))
        if len(norms) > _STEPS - _COUNTED and norms[-1]:
            ratios.append(float(content_at(x).gradient.norm()) / norms[-1] * base)
        return found

    alone = content_at(_painted(photograph, watched), with_gradient=False).loss
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
    given_up = content_at(_painted(photograph, trial), with_gradient=False).loss / alone
    given_up = min(max(given_up, _SAID), 1.0 - _SAID)
    return _REST * guess * (1.0 - given_up) / given_up


def _painted(picture: Tensor, evaluate: Evaluate) -> Tensor:
    """A picture after a few steps, in [0, 255]; always by the same solver, whatever the recipe's."""
    x = picture.clone(memory_format=torch.contiguous_format)
    solver = LBFGS(history=_STEPS, initial_step_rms=4.0, bounds=(0.0, 255.0))
    for _ in range(_STEPS):
        if solver.step(x, evaluate).ended:
            break
    return solver.best(x)
