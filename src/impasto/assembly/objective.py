"""A recipe's objective: the losses by their names, and the evaluation of their weighted sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from impasto.assembly.networks import Encoder, Network
from impasto.encoders.vgg import VGG
from impasto.engine.cache import LRUCache
from impasto.engine.evaluation import EvaluatorFactory, autograd_evaluation, with_tf32
from impasto.engine.regions import NONE, PropagateMask, Regions
from impasto.engine.tiling.gradient import tiled
from impasto.errors import ParameterError
from impasto.losses import content
from impasto.losses.content import SquaredError
from impasto.losses.gram import Gram
from impasto.losses.histogram import Histogram
from impasto.losses.matting import Matting
from impasto.losses.mean_deviation import MeanDeviation
from impasto.losses.newton_schulz import NewtonSchulzWasserstein
from impasto.losses.objective import (
    ContentTerm,
    FeatureMapLoss,
    FeatureMapTerm,
    Objective,
    PhotoTerm,
    SmoothnessTerm,
    StyleLoss,
    StyleTerm,
    Term,
    layers,
    style_layers,
)
from impasto.losses.patches import Patches
from impasto.losses.relaxed_transport import RelaxedTransport
from impasto.losses.self_similarity import SelfSimilarity
from impasto.losses.sliced_wasserstein import SlicedWasserstein
from impasto.losses.smoothness import SMOOTHNESS_LOSSES
from impasto.losses.wasserstein import Gaussian
from impasto.recipes.fields import ContentLossName, StyleLossName
from impasto.recipes.recipe import Recipe

STYLE_LOSSES: dict[StyleLossName, StyleLoss | FeatureMapLoss] = {
    "gram-share": Gram(divide="pixels", reduce="share"),
    "mean-deviation": MeanDeviation(),
    "wasserstein": Gaussian(),
    "sliced-wasserstein": SlicedWasserstein(),
    "histogram": Histogram(),
    "patches": Patches(),
    "relaxed-transport": RelaxedTransport(),
    "gram": Gram(divide="pixels", reduce="mean"),
    "gram-elements": Gram(divide="elements", reduce="mean"),
    "gram-sums": Gram(divide="nothing", reduce="sum"),
    "wasserstein-newton-schulz": NewtonSchulzWasserstein(),
}

CONTENT_LOSSES: dict[ContentLossName, SquaredError | FeatureMapLoss] = {
    "share": content.share,
    "mean": content.mean,
    "half-sum": content.half_sum,
    "self-similarity": SelfSimilarity(),
}

BALANCE: dict[StyleLossName | ContentLossName, float] = {
    "mean-deviation": 3.4,
    "wasserstein": 0.48,
    "sliced-wasserstein": 4.2,
    "histogram": 2.2,
    "patches": 0.28,
    "relaxed-transport": 0.14,
    "self-similarity": 3.2,
}
"""Loss -> factor. With it, the same weight gives about as much style, or keeps about as much content, as the default
loss. docs/style-losses.md describes the measurement. The factor is 1 for losses that other tools define."""


def build_objective(recipe: Recipe) -> Objective:
    """The terms, with all weights multiplied in. Terms of weight 0 are left out."""
    terms: list[Term] = [
        *(
            _content_term(recipe, layer, recipe.content_weight * weight)
            for layer, weight in recipe.content_layers.items()
        ),
        *(
            _style_term(recipe, layer, name, recipe.style_weight * weight, region)
            for region, layer, name, weight in _style_parts(recipe)
        ),
        SmoothnessTerm(SMOOTHNESS_LOSSES[recipe.tv_loss], recipe.tv_weight),
        PhotoTerm(Matting(), recipe.photo_weight),
    ]
    return tuple(term for term in terms if term.weight)


def _style_parts(recipe: Recipe) -> Iterator[tuple[str, str, StyleLossName, float]]:
    """(region, layer, loss, weight relative to the style weight) of each style term; region is "" without regions."""
    painted = [region for region in recipe.regions if not region.keep]
    for layer, weight in recipe.style_layers.items():
        if not recipe.regions:
            yield from (("", layer, name, weight * part) for name, part in recipe.losses_at(layer).items())
        for region in painted:
            mix = {region.loss: 1.0} if region.loss else recipe.losses_at(layer)
            for name, part in mix.items():
                yield region.name, layer, name, weight * part * region.weight


def _content_term(recipe: Recipe, layer: str, weight: float) -> ContentTerm | FeatureMapTerm:
    loss = CONTENT_LOSSES[recipe.content_loss]
    weight *= BALANCE.get(recipe.content_loss, 1.0)
    if isinstance(loss, SquaredError):
        return ContentTerm(layer, loss, weight)
    return FeatureMapTerm(layer, _seeded(loss, recipe.seed), weight, layer, of="content")


def _style_term(
    recipe: Recipe, layer: str, name: StyleLossName, weight: float, region: str
) -> StyleTerm | FeatureMapTerm:
    loss = STYLE_LOSSES[name]
    weight *= BALANCE.get(name, 1.0)
    target = recipe.style_target_layers.get(layer, layer)
    label = name if layer in recipe.style_losses else ""
    if isinstance(loss, StyleLoss):
        return StyleTerm(layer, loss, weight, target, label, region)
    return FeatureMapTerm(layer, _seeded(loss, recipe.seed), weight, target, label=label, region=region)


def _seeded(loss: FeatureMapLoss, seed: int) -> FeatureMapLoss:
    """The loss with that seed, if it draws random samples."""
    drawing: Any = loss
    return replace(drawing, seed=seed) if loss.draws else loss


def min_side(network: Network, objective: Objective) -> int:
    """The least side of a picture in pixels, for the objective's layers and for losses that need several pixels."""
    needed = {*layers(objective), *style_layers(objective)}
    sides = [network.smallest_side(needed)] if needed else [1]
    for term in objective:
        if isinstance(term, FeatureMapTerm):
            sides += [
                term.loss.smallest * network.smallest_side([layer])
                for layer in (term.layer, term.target_layer)
            ]
    return max(sides)


def build_evaluation(
    encoder: Encoder,
    objective: Objective,
    shares: Sequence[float],
    *,
    white_level: float,
    tile: int = 0,
    cache: LRUCache | None = None,
    regions: Callable[[PropagateMask], Regions] = lambda propagate_mask: NONE,
    seamless: bool = False,
    tf32: bool = False,
) -> EvaluatorFactory:
    """The factory of the objective's evaluation: tiled for a VGG, in one piece for other networks.

    Args:
        shares: weights of the styles; they sum to 1.
        white_level: the value of white, 1 or 255.
        tile: side of the tiles in pixels; 0 disables tiling.
        cache: targets shared with other sessions; used for a VGG only.
        regions: returns the masks of region terms, given the network's ``propagate_mask``.
        seamless: the picture wraps around at its edges.
        tf32: let CUDA round float32 to TF32.

    Raises:
        ParameterError: ``seamless`` or regions with a network that is not a VGG.
    """
    if isinstance(encoder, VGG):
        prepare = tiled(
            encoder,
            objective,
            shares,
            white_level,
            tile=tile,
            cache=cache,
            regions=regions(encoder.propagate_mask),
            seamless=seamless,
        )
        return with_tf32(prepare, tf32=tf32)
    if seamless:
        raise ParameterError("seamless: expected a VGG; other networks cannot be evaluated in tiles")
    if any(isinstance(term, StyleTerm | FeatureMapTerm) and term.region for term in objective):
        raise ParameterError("regions: expected a VGG; other networks cannot map masks to their layers")
    return with_tf32(autograd_evaluation(encoder, objective, shares, white_level), tf32=tf32)
