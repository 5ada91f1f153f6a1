"""Sums over pixels, and their gradient, are those of matrix products."""

from __future__ import annotations

import pytest
import torch

from impasto.kernels.compiled import library
from impasto.kernels.moments import add_products, moments

pytestmark = pytest.mark.processor

SHAPES = [(1, 700, 64), (2, 131, 128), (1, 5, 64), (1, 7, 32), (1, 1, 32), (1, 129, 512), (3, 14, 96)]


@pytest.mark.parametrize("shape", SHAPES)
def test_equal_the_products(shape: tuple[int, int, int]) -> None:
    if library() is None:
        pytest.skip("no kernels for this processor")
    torch.manual_seed(0)
    points, gradient = torch.randn(shape), torch.randn(shape)
    factors = torch.randn(shape[0], shape[2], shape[2])
    found = moments(points)
    assert found is not None
    exact = points.double()
    torch.testing.assert_close(found[0].double(), exact.sum(1), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(found[1].double(), exact.mT @ exact, rtol=1e-5, atol=1e-3)
    assert torch.equal(found[1], found[1].mT)
    expected = gradient.double() + exact @ factors.double()
    assert add_products(gradient, points, factors)
    torch.testing.assert_close(gradient.double(), expected, rtol=1e-5, atol=1e-3)


def test_any_number_of_threads_finds_the_same_to_the_last_bit() -> None:
    if library() is None:
        pytest.skip("no kernels for this processor")
    torch.manual_seed(0)
    points = torch.randn(1, 5000, 64)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3, 2, 2):
            torch.set_num_threads(threads)
            found.append(moments(points))
    finally:
        torch.set_num_threads(before)
    assert found[0] is not None
    assert all(each is not None and torch.equal(each[1], found[0][1]) for each in found)


def test_what_there_is_no_kernel_for_is_left_alone() -> None:
    points = torch.randn(1, 9, 17)
    gradient = torch.zeros(1, 9, 17)
    assert moments(points) is None
    assert moments(torch.randn(1, 9, 64, dtype=torch.float64)) is None
    assert not add_products(gradient, points, torch.randn(1, 17, 17))
    assert not gradient.any()
