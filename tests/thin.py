"""The networks that recipes name, in all but size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch

from impasto.assembly import networks
from impasto.encoders.weights import ARCHITECTURES, Architecture, Convolutions
from impasto.engine.pyramid import Level
from impasto.recipes.recipe import Recipe
from impasto.transfer.forecast import Forecast


def thin(network: str = "vgg19", *_: object, **__: object) -> Convolutions:
    """A VGG with a sixteenth of the channels, and random kernels that keep activations at one scale."""
    full = ARCHITECTURES[network]
    generator = torch.Generator().manual_seed(0)
    shapes = Architecture(full.convolutions, tuple(c // 16 for c in full.channels)).shapes()
    kernels = {
        name: torch.randn(shape, generator=generator) * math.sqrt(2 / (9 * shape[1]))
        for name, shape in shapes.items()
    }
    return Convolutions(
        network=network,
        kernels=kernels,
        biases={name: torch.zeros(len(kernel)) for name, kernel in kernels.items()},
        mean=(123.68, 116.779, 103.939),
        source="thin",
        licence="none",
    )


def load_with(monkeypatch: pytest.MonkeyPatch, load: Callable[..., Convolutions]) -> None:
    """Recipes that name a VGG get the weights that ``load`` gives."""
    for name in ("vgg19", "vgg16"):
        monkeypatch.setitem(networks.ENCODERS, name, networks.vgg(name, load))


def quick(recipe: Recipe, network: object, levels: Sequence[Level], **_: object) -> Forecast:
    """A forecast without trying how fast the machine is."""
    each = (0.1,) * len(levels)
    return Forecast(0.0, each, each, each, 0.0)
