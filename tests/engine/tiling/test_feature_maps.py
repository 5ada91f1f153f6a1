"""Whole maps are those that the network gives of the whole picture, however it was cut."""

from __future__ import annotations

import pytest
import torch

from impasto.encoders.vgg import VGG
from impasto.encoders.weights import Convolutions
from impasto.engine.tiling.feature_maps import compute_maps
from impasto.engine.tiling.tiles import cut


@pytest.mark.parametrize("size", [(96, 64), (101, 90), (33, 150)])
@pytest.mark.parametrize(("side", "strip"), [(0, 0), (0, 1), (32, 1), (48, 0)])
def test_they_are_the_networks(
    convolutions: Convolutions, size: tuple[int, int], side: int, strip: int
) -> None:
    network = VGG(convolutions).to(dtype=torch.float64)
    image = torch.rand(1, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    layers = ("relu1_2", "relu2_1", "pool2")
    stream = network.stream(layers, strip=strip)
    tiles = cut(size, side, reach=stream.reach, stride=stream.deepest_stride)
    found, wanted = compute_maps(stream, layers[1:], image, tiles), network(image, layers)
    assert set(found) == set(layers[1:])
    for layer, features in found.items():
        torch.testing.assert_close(features, wanted[layer], rtol=1e-10, atol=1e-10)
