"""What is minimised: a weighted sum of terms, each a loss at a layer.

total = Σ content terms + Σ style terms + smoothness + photorealism, with every weight already in its term.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from impasto.errors import ParameterError
from impasto.geometry import Size
from impasto.losses.content import SquaredError
from impasto.losses.cost import Cost
from impasto.losses.matting import Matting
from impasto.losses.smoothness import Edges, TotalVariation
from impasto.losses.summary import Summary, blend

Features = Mapping[str, Tensor]


@runtime_checkable
class StyleLoss(Protocol):
    """A loss between summaries of feature maps, of a kind that the loss chooses."""

    def summarise(self, features: Tensor, weight: Tensor | None = None) -> Summary:
        """The summary of (N, C, H, W), each pixel weighted by (1, 1, H, W)."""
        ...

    def distance(self, summary: Any, target: Any) -> Tensor:
        """(N,), at least float32, between two of its own summaries."""
        ...

    def cost(self, channels: int) -> Cost:
        """What :meth:`distance` and its derivative take, for feature maps of that many channels."""
        ...


class FeatureMapLoss(Protocol):
    """A loss between feature maps that needs all pixels at once, since it has no summary that pieces add up to.

    Attributes:
        smallest: pixels that a map needs on each side.
        draws: whether it looks at a random sample, another one for each index; then it is a dataclass with a
            field ``seed``.
    """

    @property
    def smallest(self) -> int: ...

    @property
    def draws(self) -> bool: ...

    def keep(self, features: Tensor, guide: Tensor | None = None) -> Tensor:
        """What is kept of the features (1, C, H, W) that others are compared with.

        Args:
            guide: (1, 1, H, W), where to look (:mod:`impasto.losses.masking`); everywhere without one.
        """
        ...

    def __call__(
        self, features: Tensor, kept: Tensor, sample_index: int, guide: Tensor | None = None
    ) -> Tensor:
        """(N,), at least float32, of (N, C, H, W).

        Args:
            sample_index: which sample is drawn.
            guide: as above.
        """
        ...

    def cost(self, channels: int, pixels: int, others: int) -> Cost:
        """What it takes for a map of so many pixels, against one of so many others."""
        ...


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
    label: str = ""  # tells terms at one layer apart
    region: str = ""  # where it looks; everywhere without one

    @property
    def name(self) -> str:
        return " ".join(part for part in ("style", self.layer, self.label, self.region) if part)

    def value(self, summary: Summary, target: Summary, pixels: int) -> Tensor:
        """(N,), weighted. A region counts by the share of the layer's ``pixels`` that it covers.

        Raises:
            ParameterError: the target layer has another number of channels.
        """
        check_channels(self, summary.channels, target.channels)
        weight = self.weight * summary.count / pixels if self.region else self.weight
        return weight * self.loss.distance(summary, target)


@dataclass(frozen=True, eq=False)  # compared by identity: tensors have no one truth
class FeatureMapTarget:
    """What a loss of whole maps compares with: what is kept of each picture, and each picture's share.

    Such a loss has no statistics to blend, so the loss towards several styles is the sum of those towards each, by
    their shares.
    """

    pictures: tuple[Tensor, ...]
    shares: tuple[float, ...]
    channels: int

    @classmethod
    def together(cls, each: Sequence[FeatureMapTarget], shares: Sequence[float]) -> FeatureMapTarget:
        """Several, each of one picture, with a share for each."""
        pictures = tuple(picture for one in each for picture in one.pictures)
        return cls(pictures, tuple(shares), each[0].channels)


@dataclass(frozen=True)
class FeatureMapTerm:
    """``loss`` between the whole map at ``layer`` and those of the styles, or the content, at ``target_layer``."""

    layer: str
    loss: FeatureMapLoss
    weight: float
    target_layer: str
    of: Literal["style", "content"] = "style"
    label: str = ""
    region: str = ""  # where it looks; everywhere without one

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.of, self.layer, self.label, self.region) if part)

    def keep(self, features: Tensor, guide: Tensor | None = None) -> FeatureMapTarget:
        """What is compared with, of a picture's map at ``target_layer``, alone.

        Args:
            guide: how much each feature counts, for a region.

        Raises:
            ParameterError: the map is too small for the loss.
        """
        height, width = features.shape[-2:]
        if min(height, width) < self.loss.smallest:
            raise ParameterError(
                f"{self.name}: expected feature maps of at least {self.loss.smallest} pixels on each side, "
                f"got {width}x{height}; take a larger picture or a layer less deep"
            )
        return FeatureMapTarget((self.loss.keep(features, guide),), (1.0,), features.shape[1])

    def value(
        self, features: Tensor, compared: FeatureMapTarget, sample_index: int = 0, guide: Tensor | None = None
    ) -> Tensor:
        """(N,), weighted, of (N, C, H, W). A region counts by the share of the pixels that it covers.

        Raises:
            ParameterError: what is compared with has another number of channels.
        """
        check_channels(self, features.shape[1], compared.channels)
        pairs = zip(compared.shares, compared.pictures, strict=True)
        each = [
            share * self.loss(features, picture, sample_index, guide) for share, picture in pairs if share
        ]
        value = self.weight * torch.stack(each).sum(0)
        return value if guide is None or not self.region else guide.mean() * value


@dataclass(frozen=True)
class SmoothnessTerm:
    """``loss(image)``, on the picture itself."""

    loss: TotalVariation
    weight: float
    name: str = "tv"
    below = 1
    """Rows below its own that a band must have."""

    def piece(self, band: Tensor, photo: Tensor, edges: Edges, size: Size) -> Tensor:
        """What a band contributes to a picture of that size, weighted: (N,). The photograph does not matter."""
        return self.weight * self.loss.piece(band, edges, size)


@dataclass(frozen=True)
class PhotoTerm:
    """``loss(image, the content picture)``, on the picture itself."""

    loss: Matting
    weight: float
    name: str = "photo"

    @property
    def below(self) -> int:
        """Rows below its own that a band must have."""
        return self.loss.below

    def piece(self, band: Tensor, photo: Tensor, edges: Edges, size: Size) -> Tensor:
        """What a band, and the content picture's, contribute to a picture of that size, weighted: (N,)."""
        return self.weight * self.loss.piece(band, photo, size)


PictureTerm = SmoothnessTerm | PhotoTerm
"""Terms on the picture itself, of which a band of rows knows its part."""
Term = ContentTerm | StyleTerm | FeatureMapTerm | PictureTerm
Objective = tuple[Term, ...]
Targets = tuple[Tensor | Summary | FeatureMapTarget | None, ...]
"""What each term of an objective is compared with, in the same order."""
Guides = Mapping[str, Tensor]
"""By term name, (1, 1, H, W): how much each feature counts. Terms that are not there count all alike."""


def content_layers(objective: Objective) -> tuple[str, ...]:
    """Layers whose features of the content picture are needed."""
    return tuple(
        dict.fromkeys(
            t.layer
            for t in objective
            if isinstance(t, ContentTerm) or (isinstance(t, FeatureMapTerm) and t.of == "content")
        )
    )


def style_layers(objective: Objective) -> tuple[str, ...]:
    """Layers whose features of the style pictures are needed."""
    return tuple(
        dict.fromkeys(
            t.target_layer
            for t in objective
            if isinstance(t, StyleTerm) or (isinstance(t, FeatureMapTerm) and t.of == "style")
        )
    )


def layers(objective: Objective) -> tuple[str, ...]:
    """Layers whose features of the picture itself are needed."""
    return tuple(dict.fromkeys(t.layer for t in objective if not isinstance(t, PictureTerm)))


def draws(objective: Objective) -> bool:
    """Whether any loss looks at a random sample."""
    return any(isinstance(t, FeatureMapTerm) and t.loss.draws for t in objective)


def targets(
    objective: Objective,
    photo: Tensor,
    content: Features,
    styles: Sequence[Features],
    shares: Callable[[StyleTerm | FeatureMapTerm], Sequence[float]],
    guides: Sequence[Guides],
) -> Targets:
    """What the terms compare with, from the content and the features of it and of each style picture.

    Args:
        photo: the content picture.
        content: features at ``content_layers(objective)``.
        styles: for each style picture, features at ``style_layers(objective)``.
        shares: of each style picture for a term; they sum to 1.
        guides: for each style picture, how much its features count.
    """

    def target(term: Term) -> Tensor | Summary | FeatureMapTarget | None:
        match term:
            case ContentTerm():
                return content[term.layer]
            case StyleTerm():
                summaries = [
                    term.loss.summarise(style[term.target_layer], guide.get(term.name))
                    for style, guide in zip(styles, guides, strict=True)
                ]
                return blend(summaries, shares(term))
            case FeatureMapTerm(of="content"):
                return term.keep(content[term.layer])
            case FeatureMapTerm():
                each = [
                    term.keep(style[term.target_layer], guide.get(term.name))
                    for style, guide in zip(styles, guides, strict=True)
                ]
                return FeatureMapTarget.together(each, shares(term))
            case SmoothnessTerm():
                return None
            case PhotoTerm():
                return photo

    return tuple(target(term) for term in objective)


def evaluate(
    objective: Objective,
    targets: Targets,
    image: Tensor,
    features: Features,
    guides: Guides,
    sample_index: int = 0,
) -> dict[str, Tensor]:
    """The weighted terms, by name; their sum is the total.

    Args:
        image: (N, 3, H, W), RGB in [0, 1].
        features: features of ``image`` at ``layers(objective)``.
        guides: how much they count.
        sample_index: which sample is drawn by losses that draw one.

    Returns:
        term name -> (N,).

    Raises:
        ParameterError: a style's target layer has another number of channels.
    """
    values: dict[str, Tensor] = {}
    for term, target in zip(objective, targets, strict=True):
        match term, target:
            case ContentTerm(), Tensor():
                value = term.weight * term.loss(features[term.layer], target)
            case StyleTerm(), Summary():
                seen = features[term.layer]
                summary = term.loss.summarise(seen, guides.get(term.name))
                value = term.value(summary, target, seen.shape[2] * seen.shape[3])
            case FeatureMapTerm(), FeatureMapTarget():
                value = term.value(features[term.layer], target, sample_index, guides.get(term.name))
            case SmoothnessTerm(), None:
                value = term.weight * term.loss(image)
            case PhotoTerm(), Tensor():
                value = term.weight * term.loss(image, target)
            case _:
                raise TypeError(f"{term.name}: no such target {type(target).__name__}")
        values[term.name] = value
    return values


def check_channels(term: StyleTerm | FeatureMapTerm, own: int, target: int) -> None:
    """Refuse a target layer with another number of channels.

    Raises:
        ParameterError: it has.
    """
    if own != target:
        raise ParameterError(
            f"{term.name}: expected a target layer with {own} channels, got {term.target_layer} with {target}"
        )
