"""Convolutions modulated by a style's code: instance normalisation, then scale, shift and a mix of channels.

Normalisation, scale and shift are conditional instance normalisation (Dumoulin, Shlens, Kudlur 2017,
arXiv:1610.07629, equation 5). Scale and shift alone cannot change correlations between channels. The code therefore
also selects a mix of channels, a weighted sum of learned 1×1 kernels (Yang et al. 2019, CondConv, arXiv:1904.04971,
equation 1). The sum is added to the centre of the 3×3 kernel, at no further cost.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_EPSILON = 1e-5
"""Added to every variance, against division by 0 where features are constant."""

Statistics = Callable[[str, Tensor], tuple[Tensor, Tensor]]
"""(layer's name, features (N, C, H, W)) -> mean and standard deviation over the full picture, (N, C) each."""


def feature_statistics(name: str, features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over the pixels of (N, C, H, W): (N, C) each, at least in float32."""
    wide = features.to(torch.promote_types(features.dtype, torch.float32))
    variance, mean = torch.var_mean(wide, (2, 3), correction=0)
    return mean, (variance + _EPSILON).sqrt()


class Modulation(nn.Module):
    """Conditional instance normalisation; scale and shift are linear in the style's code."""

    def __init__(self, name: str, channels: int, code: int) -> None:
        super().__init__()
        self.name = name
        self.scale = nn.Linear(code, channels)
        self.shift = nn.Linear(code, channels)
        for linear, start in ((self.scale, 1.0), (self.shift, 0.0)):
            nn.init.normal_(linear.weight, std=0.3 / code**0.5)
            nn.init.constant_(linear.bias, start)

    def forward(self, x: Tensor, code: Tensor, statistics: Statistics) -> Tensor:
        """(N, C, H, W) of (N, C, H, W) and a code (N or 1, code)."""
        mean, deviation = statistics(self.name, x)
        scale = self.scale(code) / deviation
        shift = self.shift(code) - mean * scale
        # One multiplication and addition over the pixels.
        return x * _over_pixels(scale, x) + _over_pixels(shift, x)


class ModulatedConvolution(nn.Module):
    """A 3×3 convolution, modulated.

    Args:
        mixes: number of learned 1×1 kernels for the mix of channels; 0 omits the mix.
    """

    def __init__(self, name: str, into: int, out: int, code: int, *, mixes: int = 0) -> None:
        super().__init__()
        self.convolution = convolution(into, out)
        self.modulation = Modulation(name, out, code)
        self.coefficients = nn.Linear(code, mixes) if mixes else None
        if mixes:
            self.kernels = nn.Parameter(torch.randn(mixes, out, into) * (1.0 / (mixes * into)) ** 0.5)

    def forward(self, x: Tensor, code: Tensor, statistics: Statistics) -> Tensor:
        """(N, out, H, W) of (N, into, H, W) and a code (N or 1, code)."""
        found: Tensor = self.modulation(self._mixed(x, code), code, statistics)
        return found

    def _mixed(self, x: Tensor, code: Tensor) -> Tensor:
        if self.coefficients is None:
            plain: Tensor = self.convolution(x)
            return plain
        mix = torch.einsum("nk,koi->noi", self.coefficients(code), self.kernels.to(code.dtype))
        if len(code) == 1:  # one style for all: one kernel for all
            middle = F.pad(mix[0, :, :, None, None], (1, 1, 1, 1))
            return F.conv2d(x, self.convolution.weight + middle, self.convolution.bias, padding=1)
        n, channels, height, width = x.shape
        points = x.permute(0, 2, 3, 1).reshape(n, height * width, channels)  # a view, channels last
        mixed = (points @ mix.mT.to(x.dtype)).reshape(n, height, width, -1).permute(0, 3, 1, 2)
        found: Tensor = self.convolution(x) + mixed
        return found


class ModulatedBlock(nn.Module):
    """A residual block of two modulated convolutions (He et al. 2016, arXiv:1512.03385)."""

    def __init__(self, name: str, channels: int, code: int, *, mixes: int) -> None:
        super().__init__()
        self.first = ModulatedConvolution(f"{name}.first", channels, channels, code, mixes=mixes)
        self.second = ModulatedConvolution(f"{name}.second", channels, channels, code)

    def forward(self, x: Tensor, code: Tensor, statistics: Statistics) -> Tensor:
        """(N, C, H, W) of (N, C, H, W) and a code (N or 1, code)."""
        more: Tensor = self.second(F.relu(self.first(x, code, statistics)), code, statistics)
        return x + more


def convolution(into: int, out: int) -> nn.Conv2d:
    """A 3×3 convolution with zero padding, which keeps the size."""
    layer = nn.Conv2d(into, out, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def upsample(x: Tensor) -> Tensor:
    """(N, C, 2H, 2W), nearest neighbour; the next convolution makes it smooth (Odena et al. 2016)."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def _over_pixels(values: Tensor, x: Tensor) -> Tensor:
    return values.to(x.dtype)[:, :, None, None]
