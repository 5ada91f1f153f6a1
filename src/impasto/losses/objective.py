"""The objective: a weighted sum of terms, each a loss at a layer.

total = Σ content terms + Σ style terms + smoothness + photorealism; each term includes its weight.
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
    """A loss between summaries of feature maps; the loss chooses the summary type."""

    def summarise(self, features: Tensor, weight: Tensor | None = None) -> Summary:
        """The summary of (N, C, H, W), each pixel weighted by (1, 1, H, W)."""
        ...

    def distance(self, summary: Any, target: Any) -> Tensor:
        """(N,), at least float32: the distance between two summaries from :meth:`summarise`."""
        ...

    def cost(self, channels: int) -> Cost:
        """The cost of :meth:`distance` and its derivative, for feature maps with that many channels."""
        ...


class FeatureMapLoss(Protocol):
    """A loss between complete feature maps. It needs all pixels at once, since it has no additive summary.

    Attributes:
        smallest: pixels that a map needs on each side.
        draws: whether the loss draws a random sample for each sample index. Such a loss is a dataclass with a field
            ``seed``.
    """

    @property
    def smallest(self) -> int: ...

    @property
    def draws(self) -> bool: ...

    def make_target(self, features: Tensor, guide: Tensor | None = None) -> Tensor:
        """The target: what the loss stores of the features (1, C, H, W) to compare others with.

        Args:
            guide: (1, 1, H, W), a mask of the features (:mod:`impasto.losses.masking`); None uses all.
        """
        ...

    def __call__(
        self, features: Tensor, target: Tensor, sample_index: int, guide: Tensor | None = None
    ) -> Tensor:
        """(N,), at least float32: the loss of (N, C, H, W) features.

        Args:
            target: from :meth:`make_target`.
            sample_index: number of the random sample.
            guide: (1, 1, H, W), a mask of the features; None uses all.
        """
        ...

    def cost(self, channels: int, pixels: int, others: int) -> Cost:
        """The cost for a map of ``pixels`` pixels against one of ``others``."""
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
    """``loss`` between the picture's summary at ``layer`` and the styles' summary at ``target_layer``.

    The two layers differ only in a preset that reproduces a tool's bug.
    """

    layer: str
    loss: StyleLoss
    weight: float
    target_layer: str
    label: str = ""  # distinguishes several terms at one layer
    region: str = ""  # restricts the term to a region; empty for the whole picture

    @property
    def name(self) -> str:
        return " ".join(part for part in ("style", self.layer, self.label, self.region) if part)

    def value(self, summary: Summary, target: Summary, pixels: int) -> Tensor:
        """(N,), weighted. A region's weight is scaled by the share of the layer's ``pixels`` that it covers.

        Raises:
            ParameterError: the target layer has another number of channels.
        """
        check_channels(self, summary.channels, target.channels)
        weight = self.weight * summary.count / pixels if self.region else self.weight
        return weight * self.loss.distance(summary, target)


@dataclass(frozen=True, eq=False)  # compared by identity: == of tensors is elementwise
class FeatureMapTarget:
    """The target of a loss on complete feature maps: one tensor and one share for each picture.

    Such a loss has no summaries to blend. So the loss against several styles is the weighted sum of the losses
    against each, with the shares as weights.
    """

    pictures: tuple[Tensor, ...]
    shares: tuple[float, ...]
    channels: int

    @classmethod
    def combine(cls, each: Sequence[FeatureMapTarget], shares: Sequence[float]) -> FeatureMapTarget:
        """Several targets of one picture each, with a share for each."""
        pictures = tuple(picture for one in each for picture in one.pictures)
        return cls(pictures, tuple(shares), each[0].channels)


@dataclass(frozen=True)
class FeatureMapTerm:
    """``loss`` between the picture's map at ``layer`` and those of the styles or the content at ``target_layer``."""

    layer: str
    loss: FeatureMapLoss
    weight: float
    target_layer: str
    of: Literal["style", "content"] = "style"
    label: str = ""  # distinguishes several terms at one layer
    region: str = ""  # restricts the term to a region; empty for the whole picture

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.of, self.layer, self.label, self.region) if part)

    def make_target(self, features: Tensor, guide: Tensor | None = None) -> FeatureMapTarget:
        """The target from one picture's map at ``target_layer``.

        Args:
            guide: (1, 1, H, W), the weight of each feature, for a region.

        Raises:
            ParameterError: the map is too small for the loss.
        """
        height, width = features.shape[-2:]
        if min(height, width) < self.loss.smallest:
            raise ParameterError(
                f"{self.name}: expected feature maps of at least {self.loss.smallest} pixels on each side, "
                f"got {width}x{height}; use a larger picture or a shallower layer"
            )
        return FeatureMapTarget((self.loss.make_target(features, guide),), (1.0,), features.shape[1])

    def value(
        self, features: Tensor, target: FeatureMapTarget, sample_index: int = 0, guide: Tensor | None = None
    ) -> Tensor:
        """(N,), weighted, of (N, C, H, W). A region's weight is scaled by the share of the pixels that it covers.

        Raises:
            ParameterError: the target has another number of channels.
        """
        check_channels(self, features.shape[1], target.channels)
        pairs = zip(target.shares, target.pictures, strict=True)
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
    """Extra rows that a band needs below."""

    def band_value(self, band: Tensor, photo: Tensor, edges: Edges, size: Size) -> Tensor:
        """The weighted contribution of a band to the loss of a picture of that size: (N,). Ignores ``photo``."""
        return self.weight * self.loss.band_value(band, edges, size)


@dataclass(frozen=True)
class PhotoTerm:
    """``loss(image, the content picture)``, on the picture itself."""

    loss: Matting
    weight: float
    name: str = "photo"

    @property
    def below(self) -> int:
        """Extra rows that a band needs below."""
        return self.loss.below

    def band_value(self, band: Tensor, photo: Tensor, edges: Edges, size: Size) -> Tensor:
        """The weighted contribution of a band, with the same band of ``photo``, to the loss of the picture: (N,)."""
        return self.weight * self.loss.band_value(band, photo, size)


PictureTerm = SmoothnessTerm | PhotoTerm
"""Terms on the picture itself, computed in bands of rows."""
Term = ContentTerm | StyleTerm | FeatureMapTerm | PictureTerm
Objective = tuple[Term, ...]
Targets = tuple[Tensor | Summary | FeatureMapTarget | None, ...]
"""The target of each term of an objective, in the same order."""
Guides = Mapping[str, Tensor]
"""Term name -> (1, 1, H, W), the weight of each feature. A term without a guide weights all features equally."""


def content_layers(objective: Objective) -> tuple[str, ...]:
    """The layers at which the features of the content picture are needed."""
    return tuple(
        dict.fromkeys(
            t.layer
            for t in objective
            if isinstance(t, ContentTerm) or (isinstance(t, FeatureMapTerm) and t.of == "content")
        )
    )


def style_layers(objective: Objective) -> tuple[str, ...]:
    """The layers at which the features of the style pictures are needed."""
    return tuple(
        dict.fromkeys(
            t.target_layer
            for t in objective
            if isinstance(t, StyleTerm) or (isinstance(t, FeatureMapTerm) and t.of == "style")
        )
    )


def layers(objective: Objective) -> tuple[str, ...]:
    """The layers at which the features of the painted picture are needed."""
    return tuple(dict.fromkeys(t.layer for t in objective if not isinstance(t, PictureTerm)))


def draws(objective: Objective) -> bool:
    """Whether any loss draws a random sample."""
    return any(isinstance(t, FeatureMapTerm) and t.loss.draws for t in objective)


def targets(
    objective: Objective,
    photo: Tensor,
    content: Features,
    styles: Sequence[Features],
    shares: Callable[[StyleTerm | FeatureMapTerm], Sequence[float]],
    guides: Sequence[Guides],
) -> Targets:
    """The targets of the terms, from the features of the content and of each style picture.

    Args:
        photo: the content picture.
        content: the content's features at ``content_layers(objective)``.
        styles: for each style picture, features at ``style_layers(objective)``.
        shares: term -> the share of each style picture; they sum to 1.
        guides: for each style picture, the weights of its features.
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
                return term.make_target(content[term.layer])
            case FeatureMapTerm():
                each = [
                    term.make_target(style[term.target_layer], guide.get(term.name))
                    for style, guide in zip(styles, guides, strict=True)
                ]
                return FeatureMapTarget.combine(each, shares(term))
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
        guides: the weights of the features.
        sample_index: number of the random sample, for losses that draw one.

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
                at_layer = features[term.layer]
                summary = term.loss.summarise(at_layer, guides.get(term.name))
                value = term.value(summary, target, at_layer.shape[2] * at_layer.shape[3])
            case FeatureMapTerm(), FeatureMapTarget():
                value = term.value(features[term.layer], target, sample_index, guides.get(term.name))
            case SmoothnessTerm(), None:
                value = term.weight * term.loss(image)
            case PhotoTerm(), Tensor():
                value = term.weight * term.loss(image, target)
            case _:
                raise TypeError(f"{term.name}: expected a target of this term, got {type(target).__name__}")
        values[term.name] = value
    return values


def check_channels(term: StyleTerm | FeatureMapTerm, channels: int, target: int) -> None:
    """Check that the target layer has the same number of channels.

    Raises:
        ParameterError: the numbers differ.
    """
    if channels != target:
        raise ParameterError(
            f"{term.name}: expected a target layer with {channels} channels, "
            f"got {term.target_layer} with {target}"
        )
