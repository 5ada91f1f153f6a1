"""What pictures painted one after another have in common: the network, the pictures that went in, their targets.

A session that is given one of these paints what it would paint without, to the last bit; it only starts sooner.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from impasto import images
from impasto.assembly.networks import Encoder, Progress, build_encoder
from impasto.engine.cache import LRUCache
from impasto.images.samples import in_few_bytes
from impasto.recipes.recipe import Recipe

if TYPE_CHECKING:
    from impasto.images import Source

TARGET_BYTES = 200_000_000
PICTURE_BYTES = 300_000_000


class SessionCache:
    """What sessions share. One network at a time: another one takes its place.

    Args:
        target_bytes, picture_bytes: memory for what is kept of each kind.
    """

    def __init__(self, *, target_bytes: int = TARGET_BYTES, picture_bytes: int = PICTURE_BYTES) -> None:
        self._target_bytes = target_bytes
        self._pictures = LRUCache(picture_bytes)
        self._network: Hashable = None
        self._encoder: Encoder | None = None
        self.targets = LRUCache(target_bytes)

    def read(self, source: Source, *, max_pixels: int) -> images.Picture:
        """:func:`impasto.images.read`, once for each file; pixels in 8 bits where nothing is lost by it."""
        if not isinstance(source, str | os.PathLike):
            return _small(images.read(source, max_pixels=max_pixels))
        return self._pictures.get(
            (os.fspath(source), max_pixels),
            lambda: _small(images.read(source, max_pixels=max_pixels)),
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
        """The recipe's network, loaded, on that device and in that type.

        Raises:
            InputError: its weights cannot be used.
        """
        wanted = (*network(recipe), device, dtype)
        if self._encoder is None or wanted != self._network:
            # The old one goes first: two would take twice the memory.
            self._encoder, self._network, self.targets = None, None, LRUCache(self._target_bytes)
            encoder = build_encoder(recipe, progress=progress)
            self._encoder, self._network = encoder.to(device=device, dtype=dtype), wanted
        return self._encoder


def network(recipe: Recipe) -> tuple[Hashable, ...]:
    """The settings that say which network a recipe needs; runs that agree in them can share it."""
    return recipe.encoder, recipe.weights, recipe.pooling, recipe.padding, recipe.mean_pixel


def _small(picture: images.Picture) -> images.Picture:
    return replace(picture, pixels=in_few_bytes(picture.pixels))
