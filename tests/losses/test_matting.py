"""Photorealism: the matting matrix by its definition, finite differences, and what costs nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from impasto.losses.matting import Matting, laplacian, sum_affine_fits


def _picture(height: int, width: int, seed: int, count: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, height, width, generator=generator, dtype=torch.float64)


def _matrix(photo: Tensor, radius: int, epsilon: float) -> Tensor:
    """Levin et al. 2008, equation 5, window by window: (HW, HW)."""
    height, width = photo.shape[-2:]
    found = torch.zeros(height * width, height * width, dtype=torch.float64)
    for y in range(radius, height - radius):
        for x in range(radius, width - radius):
            window = torch.tensor(
                [
                    i * width + j
                    for i in range(y - radius, y + radius + 1)
                    for j in range(x - radius, x + radius + 1)
                ]
            )
            colors = photo[0].flatten(1)[:, window]
            n = len(window)
            apart = colors - colors.mean(1, keepdim=True)
            spread = apart @ apart.T / n + epsilon / n * torch.eye(3, dtype=torch.float64)
            like = (1 + apart.T @ torch.linalg.solve(spread, apart)) / n
            found[window[:, None], window] += torch.eye(n, dtype=torch.float64) - like
    return found


@pytest.mark.parametrize(("radius", "epsilon"), [(1, 1e-7), (1, 1e-2), (2, 1e-4)])
def test_it_is_the_matting_matrix(radius: int, epsilon: float) -> None:
    image, photo = _picture(6, 7, 1, 2), _picture(6, 7, 2)
    matrix = _matrix(photo, radius, epsilon)
    flat = image.flatten(2)
    product = laplacian(image, photo, radius=radius, epsilon=epsilon)
    torch.testing.assert_close(product.flatten(2), flat @ matrix)
    count = 3 * (6 - 2 * radius) * (7 - 2 * radius) * (2 * radius + 1) ** 2
    expected = ((flat @ matrix) * flat).sum((1, 2)) * 255**2 / count
    torch.testing.assert_close(Matting(radius, epsilon)(image, photo), expected)


def test_the_windows_least_is_what_is_summed() -> None:
    """One window: what least squares leave over, by solving them."""
    image, photo = _picture(3, 3, 1), _picture(3, 3, 2)
    colors = torch.cat([photo[0].flatten(1).T, torch.ones(9, 1, dtype=torch.float64)], 1)
    left = image[0].flatten(1).T - colors @ torch.linalg.lstsq(colors, image[0].flatten(1).T).solution
    assert float(Matting(1, 1e-12)(image, photo)) == pytest.approx(255**2 * float(left.square().mean()))


@pytest.mark.parametrize("radius", [1, 2])
def test_gradient(radius: int) -> None:
    photo = _picture(6, 5, 1)
    loss = Matting(radius)
    assert gradcheck(lambda image: loss(image, photo), (_picture(6, 5, 2, 2).requires_grad_(),))


def test_a_recoloured_photograph_costs_nothing() -> None:
    photo = _picture(12, 10, 1)
    mixed = torch.einsum("ij,njhw->nihw", torch.randn(3, 3, dtype=torch.float64), photo) + 0.2
    ramp = torch.linspace(0.5, 0.6, 10, dtype=torch.float64)
    loss = Matting()
    assert float(loss(mixed, photo)) < 1e-2
    assert float(loss(torch.full_like(photo, 0.3), photo)) < 1e-9
    # A map that changes slowly costs little beside something drawn.
    assert float(loss(mixed * ramp, photo)) < 1e-2 * float(loss(_picture(12, 10, 3), photo))


def test_a_photograph_without_colour_or_detail() -> None:
    """Covariances of rank one and nought: every grey map is free, and nothing is undefined."""
    grey = _picture(9, 8, 1)[:, :1].repeat(1, 3, 1, 1)
    assert float(Matting()(0.3 + 0.5 * grey, grey)) < 1e-2
    flat = torch.full((1, 3, 9, 8), 0.4, dtype=torch.float64)
    noise = _picture(9, 8, 2)
    spread = torch.nn.functional.avg_pool2d(noise**2, 3, 1) - torch.nn.functional.avg_pool2d(noise, 3, 1) ** 2
    assert float(Matting()(noise, flat)) == pytest.approx(255**2 * float(spread.mean()))


def test_float32_is_near() -> None:
    image, photo = _picture(20, 20, 1) / 50 + 0.9, _picture(20, 20, 2) / 50 + 0.9
    exact = laplacian(image, photo, radius=1, epsilon=1e-7)
    found = laplacian(image.float(), photo.float(), radius=1, epsilon=1e-7)
    assert float((found - exact).abs().max()) < 1e-4 * float(exact.abs().max())


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 20])
def test_bands_add_up(rows: int) -> None:
    image, photo = _picture(14, 9, 1), _picture(14, 9, 2)
    loss = Matting(2)
    bands = [slice(first, min(first + rows + loss.below, 14)) for first in range(0, 14, rows)]
    pieces = [loss.band_value(image[:, :, band], photo[:, :, band], (14, 9)) for band in bands]
    assert float(torch.stack(pieces).sum()) == pytest.approx(float(loss(image, photo)), rel=1e-12)


def test_a_picture_without_room_for_a_window_has_no_loss() -> None:
    assert float(Matting(2)(_picture(4, 9, 1), _picture(4, 9, 2))) == 0.0


def test_what_is_fitted_to_the_photograph_itself_is_the_photograph() -> None:
    photo = _picture(10, 11, 1)
    sums, windows = sum_affine_fits(photo, photo, radius=2, epsilon=1e-9)
    torch.testing.assert_close(sums / windows, photo, rtol=0, atol=1e-6)
    assert float(windows.max()) == 25
    assert float(windows[0, 0, 0, 0]) == 1
