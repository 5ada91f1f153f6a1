"""What a recipe minimises: its losses by name, and how their sum is evaluated."""

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
"""What a loss is multiplied by, so that at the same weight it gives about as much style as the default one, or keeps
about as much content: docs/style-losses.md says how it was measured. 1 for what other tools define."""


def build_objective(recipe: Recipe) -> Objective:
    """The terms, every weight multiplied in. Terms of weight 0 are left out."""
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
    """(region, layer, loss, weight beside the style weight) of each style term; without regions there is one, ""."""
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
    """The loss, drawing its samples from that seed if it draws any."""
    drawing: Any = loss
    return replace(drawing, seed=seed) if loss.draws else loss


def least_side(network: Network, objective: Objective) -> int:
    """Pixels a picture needs on each side for the layers, and for the losses that need more than one pixel there."""
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
    kept: LRUCache | None = None,
    regions: Callable[[PropagateMask], Regions] = lambda propagate_mask: NONE,
    seamless: bool = False,
    tf32: bool = False,
) -> EvaluatorFactory:
    """How the objective is evaluated: in pieces where the network can be cut, else whole.

    Args:
        shares: of the styles; they sum to 1.
        white_level: what white is.
        tile: side of the tiles in pixels; 0 cuts nothing.
        kept: targets that other pictures have left, for a network that can be cut.
        seamless: the picture goes on at its other side.
        regions: given how the network sees masks, where the terms of regions look.
        tf32: let CUDA round float32 to TF32.

    Raises:
        ParameterError: there are regions, and the network does not say how it sees masks.
    """
    if isinstance(encoder, VGG):
        prepare = tiled(
            encoder,
            objective,
            shares,
            white_level,
            tile=tile,
            cache=kept,
            regions=regions(encoder.propagate_mask),
            seamless=seamless,
        )
        return with_tf32(prepare, tf32=tf32)
    if seamless:
        raise ParameterError("seamless: expected a VGG, other networks cannot be cut")
    if any(isinstance(term, StyleTerm | FeatureMapTerm) and term.region for term in objective):
        raise ParameterError("regions: expected a VGG, other networks do not say what their features see")
    return with_tf32(autograd_evaluation(encoder, objective, shares, white_level), tf32=tf32)
