"""Colour spaces (sRGB, linear light, Oklab) and colour transfer between pictures.

Pictures are (1, 3, H, W) float tensors in sRGB, in [0, 1], unless a docstring says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from impasto.exact import exact

_BAND = 1 << 18  # pixels processed at a time
_SAMPLE = 1 << 16  # pixels sampled for statistics of the colours
_FLOOR = 1e-6  # lower bound of variances, for pictures of a single colour

# Ottosson 2020, "A perceptual color space for image processing": linear sRGB to cones, their cube roots to Lab.
_CONES = torch.tensor(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    dtype=torch.float64,
)
_LAB = torch.tensor(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    dtype=torch.float64,
)


def srgb_to_linear(picture: Tensor) -> Tensor:
    """Linear light of sRGB values (IEC 61966-2-1), continued as an odd function so that it is invertible below 0."""
    size = picture.abs()
    curve = ((size + 0.055) / 1.055).pow(2.4)
    return torch.where(size <= 0.04045, size / 12.92, curve) * picture.sign()


def linear_to_srgb(light: Tensor) -> Tensor:
    """sRGB values of linear light: the inverse of :func:`srgb_to_linear`."""
    size = light.abs()
    curve = 1.055 * size.pow(1 / 2.4) - 0.055
    return torch.where(size <= 0.0031308, size * 12.92, curve) * light.sign()


def oklab(picture: Tensor) -> Tensor:
    """The picture in Oklab (Ottosson 2020): lightness in [0, 1], two opponent colours in about [-0.3, 0.3]."""
    cones = _mixed(_CONES, srgb_to_linear(picture))
    return _mixed(_LAB, cones.abs().pow(1 / 3) * cones.sign())


def from_oklab(lab: Tensor) -> Tensor:
    """The inverse of :func:`oklab`; colours outside the sRGB gamut give values outside [0, 1]."""
    return linear_to_srgb(_mixed(_CONES.inverse(), _mixed(_LAB.inverse(), lab) ** 3))


def to_gray(picture: Tensor) -> Tensor:
    """The picture in grey, with its Oklab lightness."""
    result = torch.empty_like(picture)
    for rows in _bands(picture):
        lab = oklab(picture[:, :, rows])
        lab[:, 1:] = 0.0
        result[:, :, rows] = from_oklab(lab).clamp_(0.0, 1.0)
    return result


def match_lightness(picture: Tensor, target: Tensor) -> Tensor:
    """The picture in grey, with the mean and standard deviation of ``target``'s lightness.

    After Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer", section 3.2.

    Args:
        picture, target: of any sizes.
    """
    lightness, wanted = _lightness(picture), _lightness(target)
    scale = _like(wanted.std() / lightness.std().clamp_min(_FLOOR), picture)
    from_mean, to_mean = (_like(each.mean(), picture) for each in (lightness, wanted))
    result = torch.empty_like(picture)
    for rows in _bands(picture):
        lab = oklab(picture[:, :, rows])
        lab[:, :1] = (lab[:, :1] - from_mean) * scale + to_mean
        lab[:, 1:] = 0.0
        result[:, :, rows] = from_oklab(lab).clamp_(0.0, 1.0)
    return result


def with_chroma_of(picture: Tensor, photo: Tensor) -> Tensor:
    """The lightness of ``picture`` with the chroma of ``photo``, pixel by pixel.

    After Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer", section 3.2.

    Both opponent colours of Oklab are those of the photo. Where they are outside the gamut at that lightness, the
    lightness moves towards the photo's as little as necessary. Chroma is exact up to rounding, and a second
    application is a no-op.

    Args:
        picture, photo: of the same size.
    """
    result = torch.empty_like(picture)
    for rows in _bands(picture):
        lab, wanted = oklab(photo[:, :, rows]), oklab(picture[:, :, rows])[:, :1]
        start = lab[:, :1].clone()
        low, high = torch.zeros_like(start), torch.ones_like(start)
        # The photo's lightness is inside the gamut; bisection finds the nearest lightness to the wanted one.
        reach = high
        for _ in range(14):
            lab[:, :1] = torch.lerp(start, wanted, reach)
            light = _mixed(_CONES.inverse(), _mixed(_LAB.inverse(), lab) ** 3)
            shown = ((light >= -1e-6) & (light <= 1 + 1e-6)).all(1, keepdim=True)
            low, high = torch.where(shown, reach, low), torch.where(shown, high, reach)
            reach = torch.where(low == 1.0, low, (low + high) / 2)
        lab[:, :1] = torch.lerp(start, wanted, low)
        result[:, :, rows] = from_oklab(lab).clamp_(0.0, 1.0)
    return result


def match_mean_covariance(picture: Tensor, target: Tensor) -> Tensor:
    """The picture with the mean and covariance of ``target``'s colours (Gatys et al. 2016, section 3.1).

    Many linear maps x ↦ T (x − μ) + μ' have this effect. This one is the optimal transport map, which changes colours
    least (Pitié and Kokaram 2007): T = Σ^-½ (Σ^½ Σ' Σ^½)^½ Σ^-½.

    Args:
        picture, target: of any sizes.
    """
    (mean, spread), (aim, wanted) = _moments(picture), _moments(target)
    half = _power(spread, 0.5)
    inverse = _power(spread, -0.5)
    move = inverse @ _power(half @ wanted @ half, 0.5) @ inverse
    shift = _like(aim - move @ mean, picture)
    result = torch.empty_like(picture)
    for rows in _bands(picture):
        band = _mixed(move, picture[:, :, rows]) + shift[:, None, None]
        result[:, :, rows] = band.clamp_(0.0, 1.0)
    return result


def match_distribution(picture: Tensor, target: Tensor, *, rounds: int = 24, seed: int = 0) -> Tensor:
    """The picture with the distribution of ``target``'s colours, beyond its mean and covariance.

    Each round applies a random rotation to the colours and matches the histogram along each axis (Pitié, Kokaram and
    Dahyot 2005).

    Args:
        picture, target: of any sizes.
        rounds: number of rotations; each costs a pass over the picture.
        seed: of the rotations.
    """
    generator = torch.Generator().manual_seed(seed)
    colors, wanted = _sample(picture), _sample(target)
    levels = torch.linspace(0.0, 1.0, 512, dtype=torch.float64, device=colors.device)
    rotations = [
        torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0].to(colors.device)
        for _ in range(rounds)
    ]
    tables: list[tuple[Tensor, Tensor]] = []  # computed from the samples, then applied to every pixel
    for rotation in rotations:
        table = (
            torch.quantile(rotation @ colors, levels, dim=1),
            torch.quantile(rotation @ wanted, levels, dim=1),
        )
        colors = _matched(colors, rotation, table)
        tables.append(table)
    result = torch.empty_like(picture)
    for rows in _bands(picture):
        band = exact(picture[0, :, rows].flatten(1))
        for rotation, table in zip(rotations, tables, strict=True):
            band = _matched(band, rotation, table)
        result[0, :, rows] = band.clamp_(0.0, 1.0).view(3, -1, picture.shape[-1]).to(picture.dtype)
    return result


def _matched(colors: Tensor, rotation: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Colours (3, n) after matching along each rotated axis: ``table`` maps quantiles (512, 3) to quantiles."""
    rotated, (source, target) = rotation @ colors, table
    axes = (_interpolated(rotated[axis], source[:, axis].contiguous(), target[:, axis]) for axis in range(3))
    return rotation.T @ torch.stack(list(axes))


def _interpolated(values: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """The piecewise linear map through the pairs (source, target), continued with slope 1 beyond the ends."""
    at = torch.searchsorted(source, values).clamp_(1, len(source) - 1)
    width = (source[at] - source[at - 1]).clamp_min_(1e-12)
    share = ((values - source[at - 1]) / width).clamp_(0.0, 1.0)
    inside = torch.lerp(target[at - 1], target[at], share)
    return inside + (values - values.clamp(float(source[0]), float(source[-1])))


def _moments(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (3,) and covariance (3, 3) of the colours, in float64."""
    colors = _sample(picture)
    floor = _FLOOR * torch.eye(3, dtype=torch.float64, device=colors.device)
    return colors.mean(1), torch.cov(colors, correction=0) + floor


def _lightness(picture: Tensor) -> Tensor:
    return oklab(_sample(picture)[None, :, None])[0, 0]


def _sample(picture: Tensor) -> Tensor:
    """(3, n): colours of pixels at regular intervals over the picture."""
    colors = picture[0].flatten(1)
    return exact(colors[:, :: max(1, colors.shape[1] // _SAMPLE)])


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    found: Tensor = (vectors * values.clamp_min(_FLOOR**2).pow(exponent)) @ vectors.T
    return found


def _mixed(matrix: Tensor, picture: Tensor) -> Tensor:
    """The matrix times the three values of each pixel."""
    return torch.einsum("ij,njhw->nihw", _like(matrix, picture), picture)


def _like(values: Tensor, picture: Tensor) -> Tensor:
    """The values with the dtype and on the device of the picture; dtype first, since not every device has float64."""
    return values.to(picture.dtype).to(picture.device)


def _bands(picture: Tensor) -> Iterator[slice]:
    """Slices of rows, processed one by one so that large pictures need no full-size temporary."""
    height, width = picture.shape[-2:]
    rows = max(1, _BAND // width)
    for first in range(0, height, rows):
        yield slice(first, min(first + rows, height))
