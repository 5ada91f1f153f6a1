"""What the network is trained to minimise, for each picture of a batch and then on average.

Content is the default preset's own term: the layer's share at relu4_2 (:mod:`impasto.losses.content`). Style is also
judged by shares, of Gram matrices and of means and deviations, but their roots are summed: the root of a share is a
relative distance, |G − A| / |A|, and a dark or flat style, whose Gram matrix is a hundredth of the content's, then
weighs ten times another instead of ten thousand.
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
"""Layer -> how much its style counts."""

_CHANNELS = {"relu1_1": 64, "relu2_1": 128, "relu3_1": 256, "relu4_1": 512, "relu5_1": 512}
_GRAM, _DEVIATION = Gram(reduce="share"), MeanDeviation()
_EPSILON = 1e-4
"""Added below a root, whose slope at 0 is infinite."""


@dataclass(frozen=True, eq=False)  # compared by identity: tensors have no one truth
class Targets:
    """What a batch is held against.

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
    """Moments of pictures that are styled as ``first`` at a share of 0, as ``second`` at 1.

    Args:
        moments: of M pictures.
        first, second: (N,), indices into them.
        share: (N,).
    """
    return Moments(
        moments.count,
        torch.lerp(moments.first[first], moments.first[second], share[:, None]),
        torch.lerp(moments.second[first], moments.second[second], share[:, None, None]),
    )


def loss_terms(vgg: VGG, painted: Tensor, aim: Targets) -> dict[str, Tensor]:
    """The content term, and the style's of each layer: name -> (N,), unweighted."""
    maps = vgg(painted, [*STYLE, CONTENT])
    terms = {"content": share(maps[CONTENT], aim.content)}
    for layer in STYLE:
        own = Moments.of(maps[layer])
        gram = _GRAM.distance(own, aim.style[layer])
        deviation = _DEVIATION.distance(own, aim.style[layer])
        terms[layer] = 0.5 * ((gram + _EPSILON).sqrt() + (deviation + _EPSILON).sqrt())
    return terms


def mean_style_term(terms: Mapping[str, Tensor]) -> Tensor:
    """(N,): the weighted mean of the layers' terms."""
    weighted = torch.stack([weight * terms[layer] for layer, weight in STYLE.items()])
    return weighted.sum(0) / sum(STYLE.values())


def range_excess(painted: Tensor) -> Tensor:
    """(N,): the mean distance of values from [0, 1]."""
    return (painted - painted.clamp(0.0, 1.0)).abs().mean((1, 2, 3))


def total_variation(painted: Tensor) -> Tensor:
    """(N,): total variation, the mean of |dx| and |dy|."""
    dx, dy = painted[..., 1:] - painted[..., :-1], painted[..., 1:, :] - painted[..., :-1, :]
    return dx.abs().mean((1, 2, 3)) + dy.abs().mean((1, 2, 3))


class CodeReader(nn.Module):
    """Reads VGG's means and deviations of a style out of its code, linearly.

    It is trained along and then thrown away: what the code has to say, the style encoder learns from this directly,
    and not only through the picture that is painted.
    """

    def __init__(self, code: int) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({layer: nn.Linear(code, 2 * count) for layer, count in _CHANNELS.items()})

    def forward(self, code: Tensor, style: Mapping[str, Moments]) -> Tensor:
        """(N,): how far off it is, as a share, on average over the layers."""
        terms = []
        for layer, linear in self.layers.items():
            moments = style[layer]
            second = moments.second.diagonal(dim1=-2, dim2=-1) / moments.count
            deviation = (second - moments.mean.square()).clamp(min=0.0).sqrt()
            wanted = torch.cat([moments.mean, deviation], 1)
            size = wanted.square().mean(1, keepdim=True).sqrt()
            # Relative to the style's own size, which spreads over decades.
            terms.append((linear(code).to(wanted.dtype) - wanted / size).square().mean(1))
        return torch.stack(terms).mean(0)
