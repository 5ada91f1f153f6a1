"""The network that a recipe names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor

from impasto.encoders.mobilenet import mobilenet_v2
from impasto.encoders.vgg import VGG, layer_names, smallest_side
from impasto.encoders.vgg_cost import VGGCost
from impasto.encoders.weights import ARCHITECTURES, Convolutions, load
from impasto.errors import ParameterError, unknown_name
from impasto.geometry import Size
from impasto.recipes.recipe import Recipe

Progress = Callable[[int, int | None], None]


class Encoder(Protocol):
    """The interface that the engine requires of a network."""

    layers: tuple[str, ...]

    def __call__(self, image: Tensor, layers: Sequence[str]) -> Mapping[str, Tensor]: ...

    def to(
        self, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Encoder: ...


class NetworkCost(Protocol):
    """A network's memory and time, known without loading it (:class:`impasto.encoders.vgg_cost.VGGCost`)."""

    def channels(self, layer: str) -> int: ...

    def stride(self, layer: str) -> int: ...

    def process_bytes(self, itemsize: int) -> float: ...

    def weight_bytes(self, itemsize: int) -> float: ...

    def kernel_bytes(self, side: float, device: torch.device, itemsize: int) -> float: ...

    def work_bytes(self, size: Size, *, tile: int, seamless: bool, itemsize: int) -> float: ...

    def arithmetic(
        self, size: Size, *, tile: int, seamless: bool, dtype: torch.dtype, device: torch.device
    ) -> float: ...


@dataclass(frozen=True)
class Network:
    """A network that recipes can name.

    Attributes:
        layers: returns its layer names without loading it.
        smallest_side: layers -> the least side of a picture, in pixels.
        build: loads it.
        cost: its memory and time with the recipe's settings; None where unknown.
    """

    layers: Callable[[], tuple[str, ...]]
    smallest_side: Callable[[Collection[str]], int]
    build: Callable[[Recipe, Progress | None], Encoder]
    cost: Callable[[Recipe], NetworkCost] | None = None


def vgg(name: str, load: Callable[..., Convolutions] = load) -> Network:
    """A VGG of :data:`impasto.encoders.weights.ARCHITECTURES`, with the weights that ``load`` returns."""
    names = layer_names(ARCHITECTURES[name].convolutions)

    def build(recipe: Recipe, progress: Progress | None) -> Encoder:
        return VGG(
            load(name, recipe.weights, progress=progress),
            pooling=recipe.pooling,
            padding=recipe.padding,
            mean=recipe.mean_pixel,
        )

    return Network(
        layers=lambda: names,
        smallest_side=lambda layers: smallest_side(names, layers),
        build=build,
        cost=lambda recipe: VGGCost(name, recipe.pooling, recipe.padding),
    )


ENCODERS: dict[str, Network] = {
    "vgg19": vgg("vgg19"),
    "vgg16": vgg("vgg16"),
    "mobilenet-v2": Network(
        layers=lambda: tuple(f"features.{index}" for index in range(19)),
        smallest_side=lambda layers: 1,  # all its convolutions pad
        build=lambda recipe, progress: mobilenet_v2(recipe.weights, progress=progress),
    ),
}


def own_encoder(given: object) -> Encoder | None:
    """The caller's network object; None for the name of a network, or for nothing.

    Raises:
        ParameterError: the object is no encoder.
    """
    if not callable(given):
        return None
    if not isinstance(getattr(given, "layers", None), tuple | list):
        raise ParameterError(
            "encoder: expected a name or a network with layers, such as impasto.from_module(network, layers=…, "
            f"mean=…, std=…), got a {type(given).__name__}"
        )
    return cast(Encoder, given)


def custom_network(encoder: Encoder) -> Network:
    """The entry of a network object that the user passed."""
    return Network(
        layers=lambda: encoder.layers,
        smallest_side=lambda layers: 1,
        build=lambda recipe, progress: encoder,
    )


def check_layers(recipe: Recipe, known: tuple[str, ...]) -> None:
    """Refuse unknown layers before anything is loaded.

    Raises:
        ParameterError: the network has no such layer; the message suggests a similar name.
    """
    for option, named in (
        ("content-layers", recipe.content_layers),
        ("style-layers", recipe.style_layers),
        ("style-target-layers", list(recipe.style_target_layers.values())),
    ):
        for layer in named:
            if layer not in known:
                raise unknown_name(f"--{option}: layer of {recipe.encoder}", layer, known)


def build_encoder(recipe: Recipe, *, progress: Progress | None = None) -> Encoder:
    """Load the recipe's network."""
    return ENCODERS[recipe.encoder].build(recipe, progress)
