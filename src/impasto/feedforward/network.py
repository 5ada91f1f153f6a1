"""The network: a content encoder, a style encoder, and a decoder modulated by the style's code.

The outline follows micro networks for arbitrary style transfer (Wang et al. 2023, MicroAST, arXiv:2211.15313). The
decoder starts at 1/16 of the size, for large forms. It adds the content's features at 1/8 and 1/4, normalised and
modulated by the style. It gets no finer content features, so that the texture comes from the style.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.feedforward.layers import (
    ModulatedBlock,
    ModulatedConvolution,
    Modulation,
    Statistics,
    convolution,
    feature_statistics,
    upsample,
)

STRIDE = 16
"""Stride of the coarsest features, in pixels."""

_MARGIN = 16
"""Pixels mirrored beyond each edge and cropped from the result, against artefacts of zero padding."""

_EPSILON = 1e-4
"""Added to a variance before its square root, whose derivative at 0 is infinite."""


@dataclass(frozen=True)
class Architecture:
    """Sizes of the network.

    Attributes:
        widths: channels at 1, 1/2, 1/4, 1/8 and 1/16 of the picture's size.
        code: length of a style's code.
        hidden: width of the hidden layer that computes the code.
        mixes: learned 1×1 kernels for the mix of channels, in each block at 1/8 and 1/16.
        blocks: residual blocks at 1/4, 1/8 and 1/16.
    """

    widths: tuple[int, int, int, int, int] = (24, 48, 64, 96, 96)
    code: int = 112
    hidden: int = 160
    mixes: int = 4
    blocks: tuple[int, int, int] = (1, 2, 2)


class Encoder(nn.Module):
    """Features at 1, 1/2, 1/4, 1/8 and 1/16 of the size, with 2×2 average pooling between them against aliasing."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            convolution(into, out) for into, out in zip((3, *widths[:-1]), widths, strict=True)
        )

    def forward(self, picture: Tensor) -> list[Tensor]:
        """(N, 3, H, W) in [0, 1] -> (N, C, H / 2^k, W / 2^k) for k = 0 … 4, rounded down."""
        x = picture * 4.0 - 2.0  # standard deviation about 1
        features: list[Tensor] = []
        for level in self.levels:
            x = F.relu(level(F.avg_pool2d(x, 2) if features else x))
            features.append(x)
        return features


class StyleEncoder(nn.Module):
    """A style picture's code: means and standard deviations of features at five sizes, through a small perceptron."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.encoder = Encoder(architecture.widths)
        pooled = 2 * (3 + sum(architecture.widths))
        self.direct = nn.Linear(pooled, architecture.code)
        self.hidden = nn.Linear(pooled, architecture.hidden)
        self.out = nn.Linear(architecture.hidden, architecture.code)

    def forward(self, picture: Tensor) -> Tensor:
        """(N, code) of (N, 3, H, W) in [0, 1], at least 16 pixels on each side."""
        pooled: list[Tensor] = []
        for features in (picture, *self.encoder(picture)):
            wide = features.to(torch.promote_types(features.dtype, torch.float32))
            variance, mean = torch.var_mean(wide, (2, 3), correction=0)
            pooled += [mean, (variance + _EPSILON).sqrt()]
        summary = torch.cat(pooled, 1).to(self.direct.weight.dtype)
        code: Tensor = self.direct(summary) + self.out(F.relu(self.hidden(summary)))
        return code


class Decoder(nn.Module):
    """Decodes the content's features at 1/4, 1/8 and 1/16 to a picture, modulated by a style's code."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        full, half, quarter, eighth, sixteenth = architecture.widths
        code, mixes = architecture.code, architecture.mixes
        at_4, at_8, at_16 = architecture.blocks

        def blocks(name: str, count: int, width: int, mixes: int) -> nn.ModuleList:
            return nn.ModuleList(
                ModulatedBlock(f"{name}.{index}", width, code, mixes=mixes) for index in range(count)
            )

        self.enter_16 = Modulation("enter_16", sixteenth, code)
        self.blocks_16 = blocks("blocks_16", at_16, sixteenth, mixes)
        self.to_8 = ModulatedConvolution("to_8", sixteenth, eighth, code)
        self.enter_8 = Modulation("enter_8", eighth, code)
        self.blocks_8 = blocks("blocks_8", at_8, eighth, mixes)
        self.to_4 = ModulatedConvolution("to_4", eighth, quarter, code)
        self.enter_4 = Modulation("enter_4", quarter, code)
        self.blocks_4 = blocks("blocks_4", at_4, quarter, 0)
        self.to_2 = ModulatedConvolution("to_2", quarter, half, code)
        self.smooth_2 = ModulatedConvolution("smooth_2", half, half, code)
        self.to_1 = ModulatedConvolution("to_1", half, full, code)
        self.smooth_1 = ModulatedConvolution("smooth_1", full, full, code)
        self.picture = nn.Conv2d(full, 3, 3, padding=1)
        nn.init.normal_(self.picture.weight, std=0.25 / (9 * full) ** 0.5)
        assert self.picture.bias is not None
        nn.init.constant_(self.picture.bias, 0.5)

    def forward(self, features: Sequence[Tensor], code: Tensor, statistics: Statistics) -> Tensor:
        """(N, 3, H, W), not clamped to [0, 1], of features from :class:`Encoder` and a code (N or 1, code)."""
        x = F.relu(self.enter_16(features[4], code, statistics))
        for block in self.blocks_16:
            x = block(x, code, statistics)
        x = upsample(F.relu(self.to_8(x, code, statistics))) + self.enter_8(features[3], code, statistics)
        for block in self.blocks_8:
            x = block(x, code, statistics)
        x = upsample(F.relu(self.to_4(x, code, statistics))) + self.enter_4(features[2], code, statistics)
        for block in self.blocks_4:
            x = block(x, code, statistics)
        x = upsample(F.relu(self.to_2(x, code, statistics)))
        x = F.relu(self.smooth_2(x, code, statistics))
        x = upsample(F.relu(self.to_1(x, code, statistics)))
        x = F.relu(self.smooth_1(x, code, statistics))
        # bfloat16 has 8 significant bits, too few for a picture.
        with torch.autocast(x.device.type, enabled=False):
            picture: Tensor = self.picture(x.to(self.picture.weight.dtype))
        return picture


class Network(nn.Module):
    """Arbitrary style transfer in one forward pass."""

    def __init__(self, architecture: Architecture | None = None) -> None:
        super().__init__()
        self.architecture = architecture or Architecture()
        self.content = Encoder(self.architecture.widths)
        self.style = StyleEncoder(self.architecture)
        self.decoder = Decoder(self.architecture)

    def encode(self, style: Tensor) -> Tensor:
        """The code (N, code) of style pictures (N, 3, H, W), RGB in [0, 1], at least 16 pixels on each side."""
        code: Tensor = self.style(style)
        return code

    def forward(
        self, picture: Tensor, code: Tensor, *, statistics: Statistics = feature_statistics
    ) -> Tensor:
        """Stylise pictures.

        Args:
            picture: (N, 3, H, W), RGB in [0, 1].
            code: (N, code), or (1, code) for all pictures.
            statistics: returns mean and standard deviation for the normalisation; by default those of the features
                themselves. A tile of a larger picture needs the statistics of the full picture.

        Returns:
            (N, 3, H, W), RGB; a few values are slightly outside [0, 1].
        """
        height, width = picture.shape[-2:]
        features = self.content(pad(picture))
        painted: Tensor = self.decoder(features, code, statistics)
        return painted[..., _MARGIN : _MARGIN + height, _MARGIN : _MARGIN + width]


def pad(picture: Tensor) -> Tensor:
    """The picture mirrored beyond its edges by at least 16 pixels, to sides that are multiples of 16."""
    height, width = picture.shape[-2:]
    right, bottom = (_MARGIN + -side % STRIDE for side in (width, height))
    mode = "reflect" if min(height, width) > _MARGIN + STRIDE else "replicate"
    return F.pad(picture, (_MARGIN, right, _MARGIN, bottom), mode=mode)
