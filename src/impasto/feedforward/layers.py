"""Convolutions whose output a style steers: normalised, then given the style's scale, shift and mix of channels.

Normalisation and modulation are those of conditional instance normalisation (Dumoulin, Shlens, Kudlur 2017,
arXiv:1610.07629, equation 5). Scale and shift alone cannot turn one correlation between channels into another, so a
style also adds a mix of channels, a weighted sum of learned 1×1 kernels (Yang et al. 2019, CondConv,
arXiv:1904.04971, equation 1): it joins the middle of the 3×3 kernel and costs nothing more.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_EPSILON = 1e-5
"""Added to every variance, where features are constant."""

Statistics = Callable[[str, Tensor], tuple[Tensor, Tensor]]
"""(a layer's name, its features (N, C, H, W)) -> their mean and deviation over the whole picture, (N, C) each."""


def feature_statistics(name: str, features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over the pixels of (N, C, H, W): (N, C) each, at least in float32."""
    wide = features.to(torch.promote_types(features.dtype, torch.float32))
    variance, mean = torch.var_mean(wide, (2, 3), correction=0)
    return mean, (variance + _EPSILON).sqrt()


class Modulation(nn.Module):
    """Features normalised per channel and given a style's scale and shift, which are linear in its code."""

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
        mixes: how many kernels a style mixes channels by; 0 leaves the mix out.
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
    """3×3, size kept, with zeros beyond the edge."""
    layer = nn.Conv2d(into, out, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def upsample(x: Tensor) -> Tensor:
    """(N, C, 2H, 2W): each pixel four times; the convolution behind it makes it smooth (Odena et al. 2016)."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def _over_pixels(values: Tensor, x: Tensor) -> Tensor:
    return values.to(x.dtype)[:, :, None, None]
