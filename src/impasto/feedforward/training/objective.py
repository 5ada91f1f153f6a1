"""The training objective's terms, for each picture of a batch.

The content term is the default preset's: the "share" loss at relu4_2 (:mod:`impasto.losses.content`). The style term
sums the square roots of two share losses, of Gram matrices and of means and deviations. The root of a share is a
relative distance, |G − A| / |A|. A dark or flat style, with a Gram matrix of a hundredth of the content's, then
weighs ten times as much as another style, instead of ten thousand times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from impasto.encoders import VGG
from impasto.losses.content import share
from impasto.losses.gram import Gram
from impasto.losses.mean_deviation import MeanDeviation
from impasto.losses.moments import Moments

CONTENT = "relu4_2"
STYLE = {"relu1_1": 1.0, "relu2_1": 1.0, "relu3_1": 0.8, "relu4_1": 0.8, "relu5_1": 0.5}
"""Layer -> weight of its style term."""

_CHANNELS = {"relu1_1": 64, "relu2_1": 128, "relu3_1": 256, "relu4_1": 512, "relu5_1": 512}
_GRAM, _DEVIATION = Gram(reduce="share"), MeanDeviation()
_EPSILON = 1e-4
"""Added before a square root, whose derivative at 0 is infinite."""


@dataclass(frozen=True, eq=False)  # compared by identity: == of tensors is elementwise
class Targets:
    """The targets of a batch.

    Attributes:
        content: (N, C, H, W), features of the contents at :data:`CONTENT`.
        style: layer -> moments of N styles.
    """

    content: Tensor
    style: Mapping[str, Moments]


def targets(vgg: VGG, contents: Tensor, styles: Tensor) -> Targets:
    """Features of contents (N, 3, H, W) and moments of styles (M, 3, H, W)."""
    with torch.no_grad():
        maps = vgg(styles, list(STYLE))
        return Targets(vgg(contents, [CONTENT])[CONTENT], {layer: Moments.of(maps[layer]) for layer in STYLE})


def between(moments: Moments, first: Tensor, second: Tensor, share: Tensor) -> Moments:
    """Linear interpolation between the moments of two styles: ``first`` at share 0, ``second`` at share 1.

    Args:
        moments: of M style pictures.
        first, second: (N,), indices into the M pictures.
        share: (N,), in [0, 1].
    """
    return Moments(
        moments.count,
        torch.lerp(moments.first[first], moments.first[second], share[:, None]),
        torch.lerp(moments.second[first], moments.second[second], share[:, None, None]),
    )


def loss_terms(vgg: VGG, painted: Tensor, aim: Targets) -> dict[str, Tensor]:
    """The content term, and the style term of each layer: name -> (N,), unweighted."""
    maps = vgg(painted, [*STYLE, CONTENT])
    terms = {"content": share(maps[CONTENT], aim.content)}
    for layer in STYLE:
        own = Moments.of(maps[layer])
        gram = _GRAM.distance(own, aim.style[layer])
        deviation = _DEVIATION.distance(own, aim.style[layer])
        terms[layer] = 0.5 * ((gram + _EPSILON).sqrt() + (deviation + _EPSILON).sqrt())
    return terms


def mean_style_term(terms: Mapping[str, Tensor]) -> Tensor:
    """(N,): the weighted mean of the layers' style terms."""
    weighted = torch.stack([weight * terms[layer] for layer, weight in STYLE.items()])
    return weighted.sum(0) / sum(STYLE.values())


def range_excess(painted: Tensor) -> Tensor:
    """(N,): mean distance of the values from [0, 1]."""
    return (painted - painted.clamp(0.0, 1.0)).abs().mean((1, 2, 3))


def total_variation(painted: Tensor) -> Tensor:
    """(N,): total variation, the mean of |dx| and |dy|."""
    dx, dy = painted[..., 1:] - painted[..., :-1], painted[..., 1:, :] - painted[..., :-1, :]
    return dx.abs().mean((1, 2, 3)) + dy.abs().mean((1, 2, 3))


class CodeReader(nn.Module):
    """Predicts VGG's means and standard deviations of a style from its code, linearly.

    An auxiliary head for training only. It gives the style encoder a direct gradient, in addition to the gradient
    through the decoder.
    """

    def __init__(self, code: int) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({layer: nn.Linear(code, 2 * count) for layer, count in _CHANNELS.items()})

    def forward(self, code: Tensor, style: Mapping[str, Moments]) -> Tensor:
        """(N,): relative squared error of the prediction, averaged over the layers."""
        terms = []
        for layer, linear in self.layers.items():
            moments = style[layer]
            second = moments.second.diagonal(dim1=-2, dim2=-1) / moments.count
            deviation = (second - moments.mean.square()).clamp(min=0.0).sqrt()
            statistics = torch.cat([moments.mean, deviation], 1)
            size = statistics.square().mean(1, keepdim=True).sqrt()
            # Relative to the style's magnitude, which varies over decades.
            terms.append((linear(code).to(statistics.dtype) - statistics / size).square().mean(1))
        return torch.stack(terms).mean(0)
