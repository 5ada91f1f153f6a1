"""Colours: sRGB, linear light and Oklab; a picture in the colours of another.

Pictures are (1, 3, H, W) float tensors, RGB in [0, 1] with the sRGB curve unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from impasto.exact import exact

_BAND = 1 << 18  # pixels worked on at a time
_SAMPLE = 1 << 16  # pixels that stand for a picture's colours
_FLOOR = 1e-6  # of a variance: a picture of one colour has none

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
    """Light, of sRGB values (IEC 61966-2-1); odd below 0, so that values beyond the gamut come back."""
    size = picture.abs()
    curve = ((size + 0.055) / 1.055).pow(2.4)
    return torch.where(size <= 0.04045, size / 12.92, curve) * picture.sign()


def linear_to_srgb(light: Tensor) -> Tensor:
    """sRGB values of light: the inverse of :func:`srgb_to_linear`."""
    size = light.abs()
    curve = 1.055 * size.pow(1 / 2.4) - 0.055
    return torch.where(size <= 0.0031308, size * 12.92, curve) * light.sign()


def oklab(picture: Tensor) -> Tensor:
    """(1, 3, H, W): lightness in [0, 1] and two opponent colours, about [-0.3, 0.3] (Ottosson 2020)."""
    cones = _mixed(_CONES, srgb_to_linear(picture))
    return _mixed(_LAB, cones.abs().pow(1 / 3) * cones.sign())


def from_oklab(lab: Tensor) -> Tensor:
    """The inverse of :func:`oklab`; values leave [0, 1] for colours that no screen of this kind shows."""
    return linear_to_srgb(_mixed(_CONES.inverse(), _mixed(_LAB.inverse(), lab) ** 3))


def grey(picture: Tensor) -> Tensor:
    """The picture without colour: Oklab's lightness, three times."""
    result = torch.empty_like(picture)
    for rows in _bands(picture):
        lab = oklab(picture[:, :, rows])
        lab[:, 1:] = 0.0
        result[:, :, rows] = from_oklab(lab).clamp_(0.0, 1.0)
    return result


def in_lightness_of(picture: Tensor, target: Tensor) -> Tensor:
    """The picture without colour, its lightness with the mean and deviation of ``target``'s (section 3.2).

    Args:
        picture, target: of any sizes.
    """
    own, aim = _lightness(picture), _lightness(target)
    scale = _beside(aim.std() / own.std().clamp_min(_FLOOR), picture)
    from_mean, to_mean = (_beside(each.mean(), picture) for each in (own, aim))
    result = torch.empty_like(picture)
    for rows in _bands(picture):
        lab = oklab(picture[:, :, rows])
        lab[:, :1] = (lab[:, :1] - from_mean) * scale + to_mean
        lab[:, 1:] = 0.0
        result[:, :, rows] = from_oklab(lab).clamp_(0.0, 1.0)
    return result


def with_colors_of(picture: Tensor, photo: Tensor) -> Tensor:
    """The lightness of ``picture`` in the colours of ``photo``, pixel by pixel.

    After Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer", section 3.2.

    Both opponent colours of Oklab are those of the photo. Where a screen cannot show them at that lightness, the
    lightness gives way, no further than it must; so colours are kept to rounding, and doing it twice changes nothing.

    Args:
        picture, photo: of the same size.
    """
    result = torch.empty_like(picture)
    for rows in _bands(picture):
        lab, wanted = oklab(photo[:, :, rows]), oklab(picture[:, :, rows])[:, :1]
        start = lab[:, :1].clone()
        low, high = torch.zeros_like(start), torch.ones_like(start)
        # The photo's own lightness can be shown; halving finds how far towards the other one can be.
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

    Of the maps that do it, x ↦ T (x − μ) + μ', this is the one that moves colours least (Pitié and Kokaram 2007):
    T = Σ^-½ (Σ^½ Σ' Σ^½)^½ Σ^-½.

    Args:
        picture, target: of any sizes.
    """
    (mean, spread), (aim, wanted) = _moments(picture), _moments(target)
    half = _power(spread, 0.5)
    inverse = _power(spread, -0.5)
    move = inverse @ _power(half @ wanted @ half, 0.5) @ inverse
    shift = _beside(aim - move @ mean, picture)
    result = torch.empty_like(picture)
    for rows in _bands(picture):
        band = _mixed(move, picture[:, :, rows]) + shift[:, None, None]
        result[:, :, rows] = band.clamp_(0.0, 1.0)
    return result


def match_distribution(picture: Tensor, target: Tensor, *, rounds: int = 24, seed: int = 0) -> Tensor:
    """The picture with the whole distribution of ``target``'s colours, not only its mean and covariance.

    In each round the colours are turned by a random rotation and each axis's histogram is matched (Pitié, Kokaram and
    Dahyot 2005).

    Args:
        picture, target: of any sizes.
        rounds: each costs a pass over the picture.
        seed: of the rotations.
    """
    generator = torch.Generator().manual_seed(seed)
    own, aims = _sample(picture), _sample(target)
    levels = torch.linspace(0.0, 1.0, 512, dtype=torch.float64, device=own.device)
    turns = [
        torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0].to(own.device)
        for _ in range(rounds)
    ]
    tables: list[tuple[Tensor, Tensor]] = []  # what is learned from the sample is then done to every pixel
    for turn in turns:
        table = torch.quantile(turn @ own, levels, dim=1), torch.quantile(turn @ aims, levels, dim=1)
        own = _matched(own, turn, table)
        tables.append(table)
    result = torch.empty_like(picture)
    for rows in _bands(picture):
        band = exact(picture[0, :, rows].flatten(1))
        for turn, table in zip(turns, tables, strict=True):
            band = _matched(band, turn, table)
        result[0, :, rows] = band.clamp_(0.0, 1.0).view(3, -1, picture.shape[-1]).to(picture.dtype)
    return result


def _matched(colors: Tensor, turn: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """(3, n) of (3, n): along each turned axis, values at the first quantiles (512, 3) go to the second."""
    turned, (here, there) = turn @ colors, table
    axes = (_looked_up(turned[axis], here[:, axis].contiguous(), there[:, axis]) for axis in range(3))
    return turn.T @ torch.stack(list(axes))


def _looked_up(values: Tensor, here: Tensor, there: Tensor) -> Tensor:
    """Linear between the pairs (here, there); beyond the ends moved as the ends are."""
    at = torch.searchsorted(here, values).clamp_(1, len(here) - 1)
    width = (here[at] - here[at - 1]).clamp_min_(1e-12)
    share = ((values - here[at - 1]) / width).clamp_(0.0, 1.0)
    inside = torch.lerp(there[at - 1], there[at], share)
    return inside + (values - values.clamp(float(here[0]), float(here[-1])))


def _moments(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (3,) and covariance (3, 3) of the colours, in float64."""
    colors = _sample(picture)
    floor = _FLOOR * torch.eye(3, dtype=torch.float64, device=colors.device)
    return colors.mean(1), torch.cov(colors, correction=0) + floor


def _lightness(picture: Tensor) -> Tensor:
    return oklab(_sample(picture)[None, :, None])[0, 0]


def _sample(picture: Tensor) -> Tensor:
    """(3, n): colours of pixels spread evenly over the picture."""
    colors = picture[0].flatten(1)
    return exact(colors[:, :: max(1, colors.shape[1] // _SAMPLE)])


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    found: Tensor = (vectors * values.clamp_min(_FLOOR**2).pow(exponent)) @ vectors.T
    return found


def _mixed(matrix: Tensor, picture: Tensor) -> Tensor:
    """Each pixel's three values times the matrix."""
    return torch.einsum("ij,njhw->nihw", _beside(matrix, picture), picture)


def _beside(values: Tensor, picture: Tensor) -> Tensor:
    """On the picture's device and in its type; the type first, since not every device has float64."""
    return values.to(picture.dtype).to(picture.device)


def _bands(picture: Tensor) -> Iterator[slice]:
    """Rows of a few pixels, so that large pictures need no copies of themselves."""
    height, width = picture.shape[-2:]
    rows = max(1, _BAND // width)
    for first in range(0, height, rows):
        yield slice(first, min(first + rows, height))
