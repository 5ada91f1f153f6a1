"""Where the names in a recipe become functions: encoder, objective, start, levels and solver."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, overload

import torch
from torch import Tensor

from impasto.encoders.mobilenet import mobilenet_v2
from impasto.encoders.vgg import VGG, layer_names, smallest_side
from impasto.encoders.weights import ARCHITECTURES, load
from impasto.engine.evaluation import Prepare, rounded, whole
from impasto.engine.kept import Kept
from impasto.engine.pyramid import Level, sizes, split
from impasto.engine.regions import NONE, Regions, See
from impasto.engine.solvers import LBFGS, Adam, Solver
from impasto.engine.start import noise
from impasto.engine.tiles import tiled
from impasto.errors import ParameterError, unknown_name
from impasto.geometry import Size, cover, fit, measure, resize
from impasto.losses import content
from impasto.losses.content import SquaredError
from impasto.losses.deviation import MeanDeviation
from impasto.losses.gaussian import Gaussian
from impasto.losses.gram import Gram
from impasto.losses.histogram import Histogram
from impasto.losses.matting import Matting
from impasto.losses.objective import (
    ContentTerm,
    Objective,
    PhotoTerm,
    SmoothnessTerm,
    StyleLoss,
    StyleTerm,
    Term,
    WholeLoss,
    WholeTerm,
    layers,
    style_layers,
)
from impasto.losses.patches import Patches
from impasto.losses.relaxed import RelaxedTransport
from impasto.losses.selfsimilarity import SelfSimilarity
from impasto.losses.sliced import SlicedWasserstein
from impasto.losses.smoothness import SMOOTHNESS_LOSSES
from impasto.losses.wasserstein import NewtonSchulzWasserstein
from impasto.recipes.recipe import ContentLossName, Recipe, StyleLossName

_GRID = 16  # pixels that become one at relu5_1

HISTORY_MEMORY = 300
"""Megabytes for the pairs of L-BFGS, where the recipe does not say and the device is a processor."""

Progress = Callable[[int, int | None], None]

STYLE_LOSSES: dict[StyleLossName, StyleLoss | WholeLoss] = {
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

CONTENT_LOSSES: dict[ContentLossName, SquaredError | WholeLoss] = {
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


class Encoder(Protocol):
    """What the engine needs of a network."""

    layers: tuple[str, ...]

    def __call__(self, image: Tensor, layers: Sequence[str]) -> Mapping[str, Tensor]: ...

    def to(
        self, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Encoder: ...


@dataclass(frozen=True)
class Network:
    """A network that recipes can name.

    Attributes:
        layers: its layers, known without loading it.
        smallest_side: pixels a picture needs on each side for the layers given.
        build: loads it.
    """

    layers: Callable[[], tuple[str, ...]]
    smallest_side: Callable[[Collection[str]], int]
    build: Callable[[Recipe, Progress | None], Encoder]


def _vgg(name: str) -> Network:
    names = layer_names(ARCHITECTURES[name].convolutions)

    def build(recipe: Recipe, progress: Progress | None) -> Encoder:
        return VGG(
            load(name, recipe.weights, progress=progress),
            pooling=recipe.pooling,
            padding=recipe.padding,
            mean=recipe.mean_pixel,
        )

    return Network(
        layers=lambda: names,
        smallest_side=lambda layers: smallest_side(names, layers),
        build=build,
    )


ENCODERS: dict[str, Network] = {
    "vgg19": _vgg("vgg19"),
    "vgg16": _vgg("vgg16"),
    "mobilenet-v2": Network(
        layers=lambda: tuple(f"features.{index}" for index in range(19)),
        smallest_side=lambda layers: 1,  # its convolutions pad, whatever their stride
        build=lambda recipe, progress: mobilenet_v2(recipe.weights, progress=progress),
    ),
}


def check_layers(recipe: Recipe, known: tuple[str, ...]) -> None:
    """Refuse layers that the network does not have, before anything is loaded.

    Raises:
        ParameterError: with a suggestion.
    """
    for option, named in (
        ("content-layers", recipe.content_layers),
        ("style-layers", recipe.style_layers),
        ("style-target-layers", list(recipe.style_target_layers.values())),
    ):
        for layer in named:
            if layer not in known:
                raise unknown_name(f"--{option}: layer of {recipe.encoder}", layer, known)


def build_encoder(recipe: Recipe, *, progress: Progress | None = None) -> Encoder:
    """The network, loaded."""
    return ENCODERS[recipe.encoder].build(recipe, progress)


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


def _content_term(recipe: Recipe, layer: str, weight: float) -> ContentTerm | WholeTerm:
    loss = CONTENT_LOSSES[recipe.content_loss]
    weight *= BALANCE.get(recipe.content_loss, 1.0)
    if isinstance(loss, SquaredError):
        return ContentTerm(layer, loss, weight)
    return WholeTerm(layer, _seeded(loss, recipe.seed), weight, layer, of="content")


def _style_term(
    recipe: Recipe, layer: str, name: StyleLossName, weight: float, region: str
) -> StyleTerm | WholeTerm:
    loss = STYLE_LOSSES[name]
    weight *= BALANCE.get(name, 1.0)
    target = recipe.style_target_layers.get(layer, layer)
    label = name if layer in recipe.style_losses else ""
    if isinstance(loss, StyleLoss):
        return StyleTerm(layer, loss, weight, target, label, region)
    return WholeTerm(layer, _seeded(loss, recipe.seed), weight, target, label=label, region=region)


def _seeded(loss: WholeLoss, seed: int) -> WholeLoss:
    """The loss, drawing its samples from that seed if it draws any."""
    if isinstance(loss, SlicedWasserstein | RelaxedTransport | SelfSimilarity):
        return replace(loss, seed=seed)
    return loss


def least_side(recipe: Recipe, objective: Objective) -> int:
    """Pixels a picture needs on each side for the layers, and for the losses that need more than one pixel there."""
    network = ENCODERS[recipe.encoder]
    needed = {*layers(objective), *style_layers(objective)}
    sides = [network.smallest_side(needed)] if needed else [1]
    for term in objective:
        if isinstance(term, WholeTerm):
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
    unit: float,
    tile: int = 0,
    kept: Kept | None = None,
    regions: Callable[[See], Regions] = lambda see: NONE,
    seamless: bool = False,
    tf32: bool = False,
) -> Prepare:
    """How the objective is evaluated: in pieces where the network can be cut, else whole.

    Args:
        shares: of the styles; they sum to 1.
        unit: what white is.
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
            unit,
            tile=tile,
            kept=kept,
            regions=regions(encoder.see),
            seamless=seamless,
        )
        return rounded(prepare, tf32=tf32)
    if seamless:
        raise ParameterError("seamless: expected a VGG, other networks cannot be cut")
    if any(isinstance(term, StyleTerm | WholeTerm) and term.region for term in objective):
        raise ParameterError("regions: expected a VGG, other networks do not say what their features see")
    return rounded(whole(encoder, objective, shares, unit), tf32=tf32)


def build_levels(
    recipe: Recipe, content: Size, styles: Sequence[Size], *, least: int, final_only: bool = False
) -> list[Level]:
    """Sizes of the picture and of the styles, and iterations, coarse to fine.

    Args:
        content, styles: sizes of the pictures as they came.
        least: pixels the network needs on each side; coarse levels below it are left out.
        final_only: work at the result's size alone.

    Raises:
        ParameterError: the result would be too small for the network.
    """
    if recipe.aspect is not None:
        content = (1 << 16, round((1 << 16) * recipe.aspect))
    final = whole_tiles(recipe, fit(content, recipe.size, recipe.fit))
    if min(final) < least:
        raise ParameterError(
            f"size: the chosen layers need at least {least} pixels on each side, "
            f"got a result of {final[1]}x{final[0]}"
        )
    all_sizes = [final] if final_only else sizes(final, smallest=recipe.smallest, ratio=recipe.ratio)
    kept = [whole_tiles(recipe, size) for size in all_sizes if min(size) >= least]
    counts = split(recipe.steps, len(kept), coarser=recipe.coarser, first=recipe.first_level)
    return [
        Level(
            size,
            tuple(
                style_size(recipe, number, style, size, share=max(size) / max(final), least=least)
                for number, style in enumerate(styles)
            ),
            count,
        )
        for size, count in zip(kept, counts, strict=True)
    ]


def margin(recipe: Recipe, levels: Sequence[Level]) -> int:
    """Pixels painted beyond every edge: the recipe's, or as many as a narrow picture can be mirrored by.

    A seamless picture has its other side there.
    """
    return 0 if recipe.seamless else min(recipe.margin, *(min(level.size) - 1 for level in levels))


def whole_tiles(recipe: Recipe, size: Size) -> Size:
    """The size, or for a seamless picture the nearest that goes on at its other side on the network's grid."""
    if not recipe.seamless:
        return size
    height, width = (max(1, round(side / _GRID)) * _GRID for side in size)
    return height, width


@overload
def turned(recipe: Recipe, styles: Sequence[Tensor]) -> list[Tensor]: ...


@overload
def turned(recipe: Recipe, styles: Sequence[Tensor | None]) -> list[Tensor | None]: ...


def turned(recipe: Recipe, styles: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
    """The style pictures, or their alphas, (1, C, H, W) each, flipped and then rotated as the recipe says."""
    found: list[Tensor | None] = []
    for number, style in enumerate(styles):
        if style is None:
            found.append(None)
            continue
        degrees, flip = recipe.turn_of(number)
        if flip != "no":
            style = style.flip(3 if flip == "horizontal" else 2)
        found.append(torch.rot90(style, -degrees // 90, (2, 3)).contiguous())
    return found


def style_size(recipe: Recipe, number: int, style: Size, picture: Size, *, share: float, least: int) -> Size:
    """How large a style picture is at a level.

    Args:
        number: of the style, from 0.
        style: its size as it came.
        picture: the level's.
        share: the level's long side, of the final one's.
        least: pixels the network needs on each side.
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
    # A narrow style is enlarged rather than refused: all that is lost is a little of its scale.
    return size if min(size) >= least else fit(style, least, "short")


def build_start(
    recipe: Recipe, size: Size, content: Tensor, styles: Sequence[Tensor], picture: Tensor | None
) -> Tensor:
    """The first image, (1, 3, height, width) on the content's device.

    Args:
        picture: a start of the user's own, instead of what ``init`` names.
    """
    if picture is not None:
        return resize(picture, size)
    match recipe.init:
        case "content":
            return resize(content, size, recipe.resample)
        case "style":
            return cover(styles[0], size)
        case "noise":
            generator = torch.Generator().manual_seed(recipe.seed)
            mean = recipe.mean_pixel or (123.68, 116.779, 103.939)
            red, green, blue = (value / 255.0 for value in mean)
            return noise(
                size, centre=(red, green, blue), deviation=recipe.noise / 255.0, generator=generator
            ).to(content.device)
        case _:
            raise TypeError(f"init {recipe.init!r} names a file, and no picture came with it")


def build_solver(recipe: Recipe) -> Solver:
    """The solver, new."""
    bounds = (0.0, float(recipe.unit)) if recipe.bounded else None
    if recipe.optimizer == "adam":
        return Adam(
            learning_rate=learning_rate(recipe),
            betas=recipe.betas,
            averaging=recipe.averaging,
            bounds=bounds,
        )
    return LBFGS(
        history=recipe.history,
        history_bytes=(HISTORY_MEMORY if recipe.history_memory is None else recipe.history_memory)
        * 1_000_000,
        line_search=recipe.optimizer == "lbfgs-wolfe",
        learning_rate=learning_rate(recipe),
        first_move=recipe.first_move / 255.0 * recipe.unit,
        spectral_exponent=recipe.spectral_exponent,
        bounds=bounds,
    )


def learning_rate(recipe: Recipe) -> float:
    """The solver's: the recipe's, or what suits it."""
    return recipe.learning_rate or (0.02 * recipe.unit if recipe.optimizer == "adam" else 1.0)
