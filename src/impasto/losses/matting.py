"""Photorealism: a penalty on whatever in a picture is not a locally affine map of the photograph's colours.

The matting Laplacian M of Levin, Lischinski and Weiss 2008 ("A Closed-Form Solution to Natural Image Matting",
equations 2 to 5), as Luan, Paris, Shechtman and Bala 2017 use it ("Deep Photo Style Transfer", arXiv:1703.07511,
equation 2): Σ_c V_cᵀ M V_c over the channels of the picture V is, summed over all windows w of the photograph I,

    min over a, b of Σ_{i ∈ w} (V_i − a·I_i − b)² + ε |a|².

Any recolouring that is affine within each window costs nothing; a bent edge, or a new edge, is penalised.

M has 25 entries per pixel and is never formed. The minimum of each window has a closed form, a = (Σ + ε/n)⁻¹ cov(I,
V) and b = V̄ − a·Ī, so M V is the residual of V, summed over the windows that contain a pixel. It is computed with
window sums forward and backward (He, Sun and Tang 2013, "Guided Image Filtering", section 3.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.exact import exact_type
from impasto.geometry import Size, size_of

BAND_BYTES = 50e6
"""Memory of a band's window sums in float64, in bytes."""
PIXEL_SECONDS = 0.5e-6
"""Time of one evaluation per pixel of the picture, in seconds."""


@dataclass(frozen=True)
class Matting:
    """The mean square of the non-affine residual, over windows, their pixels and channels; in grey levels of 255.

    Args:
        radius: windows have 2 radius + 1 pixels on each side; windows that extend beyond the picture are left out.
        epsilon: the penalty on |a|², for colours in [0, 1] as in the paper. It stops the maps from amplifying noise
            in flat areas.
    """

    radius: int = 1
    epsilon: float = 1e-7

    @property
    def below(self) -> int:
        """Extra rows that a band needs below: a window counts towards the band that has its first row."""
        return 2 * self.radius

    def __call__(self, image: Tensor, photo: Tensor) -> Tensor:
        """(N,), at least float32, of (N, 3, H, W) and (1, 3, H, W), both in [0, 1]."""
        return self.band_value(image, photo, size_of(image))

    def band_value(self, band: Tensor, photo: Tensor, size: Size) -> Tensor:
        """The contribution of a band, with its extra rows below, to the loss of a picture of that size: (N,)."""
        side = 2 * self.radius + 1
        windows = (size[0] - side + 1) * (size[1] - side + 1)
        if band.shape[-2] < side or windows <= 0:
            return band.sum((1, 2, 3)) * 0.0
        energy: Tensor = _Energy.apply(band, photo, self.radius, self.epsilon)  # type: ignore[no-untyped-call]
        return energy * (255.0**2 / (3 * windows * side**2))


class _Energy(torch.autograd.Function):
    """Σ_c V_cᵀ M V_c and its derivative 2 M V; one product M V gives both."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, photo: Tensor, radius: int, epsilon: float) -> Tensor:
        product = laplacian(image, photo, radius=radius, epsilon=epsilon)
        ctx.save_for_backward(product.to(image.dtype))
        energy = (product * image).sum((1, 2, 3))
        return energy.to(torch.promote_types(image.dtype, torch.float32))

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        (product,) = ctx.saved_tensors
        return 2.0 * slopes[0].to(product.dtype).view(-1, 1, 1, 1) * product, None, None, None


def laplacian(image: Tensor, photo: Tensor, *, radius: int, epsilon: float) -> Tensor:
    """M V of each channel, (N, 3, H, W), for pictures of at least 2 radius + 1 pixels on each side."""
    sums, windows = sum_affine_fits(image, photo, radius=radius, epsilon=epsilon)
    return windows * image - sums


def sum_affine_fits(image: Tensor, photo: Tensor, *, radius: int, epsilon: float) -> tuple[Tensor, Tensor]:
    """The photograph under each window's affine map, summed over the windows that contain a pixel.

    Divided by the number of windows, the sum is He, Sun and Tang's guided filter of the picture, with the photograph
    as the guide. Computed in float64 where the device has it: covariances are small differences of large sums.

    Returns:
        the sums (N, 3, H, W), and the number of windows that contain each pixel (1, 1, H, W).
    """
    wide = exact_type(image.device)
    i = photo.to(wide)
    slope, offset = affine_maps(image.to(wide), i, radius=radius, epsilon=epsilon)

    def back(x: Tensor) -> Tensor:
        return window_sums(F.pad(x, (2 * radius,) * 4), radius)

    slope = back(slope.flatten(1, 2)).view(-1, 3, 3, *i.shape[-2:])
    return (slope * i.unsqueeze(1)).sum(2) + back(offset), back(torch.ones_like(offset[:1, :1]))


def affine_maps(v: Tensor, i: Tensor, *, radius: int, epsilon: float) -> tuple[Tensor, Tensor]:
    """For each window inside the picture, the affine map of I's colours that fits V best.

    Args:
        v, i: (N, 3, H, W) and (1, 3, H, W).

    Returns:
        a, (N, 3, 3, H − 2 radius, W − 2 radius), with V's channel first, and b, (N, 3, H − 2 radius, W − 2 radius).
    """
    n = (2 * radius + 1) ** 2

    def mean(x: Tensor) -> Tensor:
        return window_sums(x, radius) / n

    i_mean, v_mean = mean(i), mean(v)
    spread = {
        (p, q): mean(i[:, p] * i[:, q]) - i_mean[:, p] * i_mean[:, q] + (epsilon / n if p == q else 0.0)
        for p in range(3)
        for q in range(p + 1)
    }
    shared = [mean(v * i[:, p : p + 1]) - v_mean * i_mean[:, p : p + 1] for p in range(3)]
    slope = torch.stack(_solved(spread, shared), 2)
    return slope, v_mean - (slope * i_mean.unsqueeze(1)).sum(2)


def _solved(matrix: dict[tuple[int, int], Tensor], right: list[Tensor]) -> list[Tensor]:
    """Solve each pixel's 3 x 3 system, L D Lᵀ x = right; positive definite, given by its lower half.

    Written out, since library solvers take a microsecond for each of a million systems.
    """
    d0 = matrix[0, 0]
    l10, l20 = matrix[1, 0] / d0, matrix[2, 0] / d0
    d1 = matrix[1, 1] - l10 * matrix[1, 0]
    l21 = (matrix[2, 1] - l20 * matrix[1, 0]) / d1
    d2 = matrix[2, 2] - l20 * matrix[2, 0] - l21 * l21 * d1
    l10, l20, l21 = (each.unsqueeze(1) for each in (l10, l20, l21))
    y0 = right[0]
    y1 = right[1] - l10 * y0
    y2 = right[2] - l20 * y0 - l21 * y1
    x2 = y2 / d2.unsqueeze(1)
    x1 = y1 / d1.unsqueeze(1) - l21 * x2
    return [y0 / d0.unsqueeze(1) - l10 * x1 - l20 * x2, x1, x2]


def window_sums(x: Tensor, radius: int) -> Tensor:
    """(…, H, W) -> (…, H − 2 radius, W − 2 radius): the sum over each window inside the picture."""
    for dim in (-2, -1):
        length = x.shape[dim] - 2 * radius
        total = x.narrow(dim, 0, length).clone()
        for shift in range(1, 2 * radius + 1):
            total += x.narrow(dim, shift, length)
        x = total
    return x
