"""What is minimised: a weighted sum of terms, each a loss at a layer.

total = Σ content terms + Σ style terms + smoothness, with every weight already in its term.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from impasto.errors import ParameterError
from impasto.losses.content import SquaredError
from impasto.losses.moments import Moments, blend
from impasto.losses.smoothness import TotalVariation

Features = Mapping[str, Tensor]


class StyleLoss(Protocol):
    """A loss between summaries of feature maps; summaries of two pieces add up to the whole's."""

    def summarise(self, features: Tensor) -> Moments: ...

    def distance(self, summary: Moments, target: Moments) -> Tensor: ...


@dataclass(frozen=True)
class ContentTerm:
    """``loss(features, the content's features)`` at ``layer``."""

    layer: str
    loss: SquaredError
    weight: float

    @property
    def name(self) -> str:
        return f"content {self.layer}"


@dataclass(frozen=True)
class StyleTerm:
    """``loss`` between the statistics at ``layer`` and the styles' at ``target_layer``.

    The two layers differ only in a preset that reproduces a tool's mistake.
    """

    layer: str
    loss: StyleLoss
    weight: float
    target_layer: str

    @property
    def name(self) -> str:
        return f"style {self.layer}"


@dataclass(frozen=True)
class SmoothnessTerm:
    """``loss(image)``, on the picture itself."""

    loss: TotalVariation
    weight: float
    name: str = "tv"


Term = ContentTerm | StyleTerm | SmoothnessTerm
Objective = tuple[Term, ...]
Targets = tuple[Tensor | Moments | None, ...]
"""What each term of an objective is compared with, in the same order."""


def content_layers(objective: Objective) -> tuple[str, ...]:
    """Layers whose features of the content picture are needed."""
    return tuple(dict.fromkeys(t.layer for t in objective if isinstance(t, ContentTerm)))


def style_layers(objective: Objective) -> tuple[str, ...]:
    """Layers whose features of the style pictures are needed."""
    return tuple(dict.fromkeys(t.target_layer for t in objective if isinstance(t, StyleTerm)))


def layers(objective: Objective) -> tuple[str, ...]:
    """Layers whose features of the picture itself are needed."""
    return tuple(dict.fromkeys(t.layer for t in objective if not isinstance(t, SmoothnessTerm)))


def targets(
    objective: Objective, content: Features, styles: Sequence[Features], style_weights: Sequence[float]
) -> Targets:
    """What the terms compare with, from the features of the content and of each style picture.

    Args:
        content: features at ``content_layers(objective)``.
        styles: for each style picture, features at ``style_layers(objective)``.
        style_weights: a share for each style picture; they sum to 1.
    """

    def target(term: Term) -> Tensor | Moments | None:
        match term:
            case ContentTerm():
                return content[term.layer]
            case StyleTerm():
                summaries = [term.loss.summarise(style[term.target_layer]) for style in styles]
                return blend(summaries, style_weights)
            case SmoothnessTerm():
                return None

    return tuple(target(term) for term in objective)


def evaluate(objective: Objective, targets: Targets, image: Tensor, features: Features) -> dict[str, Tensor]:
    """The weighted terms, by name; their sum is the total.

    Args:
        image: (N, 3, H, W), RGB in [0, 1].
        features: features of ``image`` at ``layers(objective)``.

    Returns:
        term name -> (N,).

    Raises:
        ParameterError: a style's target layer has another number of channels.
    """
    values: dict[str, Tensor] = {}
    for term, target in zip(objective, targets, strict=True):
        match term, target:
            case ContentTerm(), Tensor():
                value = term.loss(features[term.layer], target)
            case StyleTerm(), Moments():
                summary = term.loss.summarise(features[term.layer])
                if summary.first.shape[-1] != target.first.shape[-1]:
                    raise ParameterError(
                        f"{term.name}: expected a target layer with {summary.first.shape[-1]} channels, "
                        f"got {term.target_layer} with {target.first.shape[-1]}"
                    )
                value = term.loss.distance(summary, target)
            case SmoothnessTerm(), None:
                value = term.loss(image)
            case _:
                raise TypeError(f"{term.name}: no such target {type(target).__name__}")
        values[term.name] = term.weight * value
    return values
