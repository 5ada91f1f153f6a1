"""Read pictures and load networks, for one session or with a cache shared by several."""

from __future__ import annotations

import os
from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import torch

from impasto import images
from impasto.assembly.networks import Encoder, Progress, build_encoder
from impasto.engine.cache import LRUCache
from impasto.images.samples import shrink_factor, to_uint8_if_exact
from impasto.recipes.recipe import Recipe

if TYPE_CHECKING:
    from impasto.images import Source

TARGET_BYTES = 200_000_000
PICTURE_BYTES = 300_000_000


class Read(Protocol):
    """Reads a picture (:func:`impasto.images.read`)."""

    def __call__(self, source: Source, *, max_pixels: int, shrink_to: int = 0) -> images.Picture: ...


class Load(Protocol):
    """Loads a recipe's network (:func:`impasto.assembly.networks.build_encoder`)."""

    def __call__(self, recipe: Recipe, *, progress: Progress | None) -> Encoder: ...


class Resources:
    """Reads pictures and loads networks for one session, without a cache.

    Args:
        read, load: the functions that read a picture and load a network.

    Attributes:
        targets: cache of targets shared by several sessions; None without a shared cache.
    """

    targets: LRUCache | None = None

    def __init__(self, *, read: Read = images.read, load: Load = build_encoder) -> None:
        self._read, self._load = read, load

    def read(self, source: Source, *, max_pixels: int, shrink_to: int = 0) -> images.Picture:
        """Read a picture (:func:`impasto.images.read`).

        Raises:
            ImageError: it cannot be read, or has more than ``max_pixels``.
        """
        return self._read(source, max_pixels=max_pixels, shrink_to=shrink_to)

    def encoder(
        self,
        recipe: Recipe,
        *,
        device: torch.device,
        dtype: torch.dtype,
        progress: Progress | None = None,
    ) -> Encoder:
        """Load the recipe's network to that device and number type.

        Raises:
            InputError: its weights cannot be used.
        """
        return self._load(recipe, progress=progress).to(device=device, dtype=dtype)


class SessionCache(Resources):
    """A cache of the network, the pictures and their targets, shared by several sessions.

    Results are bit-identical to those without the cache; sessions only start sooner. Only the last network is cached.

    Args:
        target_bytes, picture_bytes: limits of the two caches, in bytes.
        read, load: the functions that read a picture and load a network.
    """

    targets: LRUCache

    def __init__(
        self,
        *,
        target_bytes: int = TARGET_BYTES,
        picture_bytes: int = PICTURE_BYTES,
        read: Read = images.read,
        load: Load = build_encoder,
    ) -> None:
        super().__init__(read=read, load=load)
        self._target_bytes = target_bytes
        self._pictures = LRUCache(picture_bytes)
        self._short_sides: dict[Hashable, int] = {}
        self._network: Hashable = None
        self._encoder: Encoder | None = None
        self.targets = LRUCache(target_bytes)

    def read(self, source: Source, *, max_pixels: int, shrink_to: int = 0) -> images.Picture:
        """Read a picture; files are cached, as uint8 where that is lossless."""

        def make() -> images.Picture:
            return _small(self._read(source, max_pixels=max_pixels, shrink_to=shrink_to))

        if not isinstance(source, str | os.PathLike):
            return make()
        where, read = (os.fspath(source), max_pixels), None
        if where not in self._short_sides:
            read = make()
            self._short_sides[where] = min(read.size)
        # All that are not reduced are the same picture.
        reduced = shrink_factor(self._short_sides[where], shrink_to) > 1
        return self._pictures.get(
            (where, shrink_to if reduced else 0),
            lambda: read or make(),
            lambda picture: picture.pixels.nbytes,
        )

    def encoder(
        self,
        recipe: Recipe,
        *,
        device: torch.device,
        dtype: torch.dtype,
        progress: Progress | None = None,
    ) -> Encoder:
        """The recipe's network; loaded again only if it differs from the last one."""
        key = (*network(recipe), device, dtype)
        if self._encoder is None or key != self._network:
            # The old network is freed first: two networks would need twice the memory.
            self._encoder, self._network, self.targets = None, None, LRUCache(self._target_bytes)
            encoder = super().encoder(recipe, device=device, dtype=dtype, progress=progress)
            self._encoder, self._network = encoder, key
        return self._encoder


def network(recipe: Recipe) -> tuple[Hashable, ...]:
    """The settings that identify a recipe's network; recipes with equal settings can share it."""
    return recipe.encoder, recipe.weights, recipe.pooling, recipe.padding, recipe.mean_pixel


def _small(picture: images.Picture) -> images.Picture:
    return replace(picture, pixels=to_uint8_if_exact(picture.pixels))
