"""Features of pictures at a network's layers; layers and sizes are checked before the network is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from impasto import images
from impasto.assembly.device import choose_device, choose_precision
from impasto.assembly.networks import ENCODERS, Encoder, Progress, build_encoder
from impasto.errors import ParameterError, unknown_name
from impasto.exact import float32_products
from impasto.geometry import fit, resize, size_of
from impasto.images import Source
from impasto.modes import own_modes
from impasto.recipes.presets import resolve


class FeatureExtractor:
    """Extracts the features of pictures at some layers of a network.

    Args:
        layers: one or more names.
        encoder: a name, or a network object (:func:`impasto.from_module`).
        exact: where no precision is given, use float32; False chooses the fastest number type.
        max_pixels: larger pictures are refused from their header.
        progress: called with (bytes done, bytes in all) while weights are downloaded.
        options: ``weights``, ``pooling``, ``padding``, ``device``, ``precision``, as in :class:`impasto.Recipe`.

    Attributes:
        layers: as given.
        notes: conversions made when reading the pictures, one line each.

    Raises:
        ParameterError: an unknown layer, a layer given twice, no layer, or an invalid option.
    """

    @own_modes()
    def __init__(
        self,
        layers: Sequence[str],
        *,
        encoder: str | Encoder = "vgg19",
        exact: bool = True,
        max_pixels: int = images.MAX_PIXELS,
        progress: Progress | None = None,
        **options: Any,
    ) -> None:
        own = None if isinstance(encoder, str) else encoder
        self._recipe = resolve(encoder=encoder if own is None else "custom", **options)
        known = ENCODERS[self._recipe.encoder].layers() if own is None else own.layers
        for layer in layers:
            if layer not in known:
                raise unknown_name(f"layers: layer of {self._recipe.encoder}", layer, known)
        if not layers or len(set(layers)) < len(layers):
            raise ParameterError(
                f"layers: expected one or more, each once, got {', '.join(layers) or 'none'}"
            )
        self.layers = tuple(layers)
        self.notes: tuple[str, ...] = ()
        self.device = choose_device(self._recipe.device)
        self.dtype, self.precision = choose_precision(self._recipe.precision, self.device, exact=exact)
        self._min_side = 1 if own else ENCODERS[self._recipe.encoder].smallest_side(layers)
        self._own, self._progress, self._max_pixels = own, progress, max_pixels
        self._encoder: Encoder | None = None

    @own_modes()
    def read(self, image: Source, size: int) -> Tensor:
        """Read and resize a picture: (1, 3, H, W) in [0, 1], on the network's device.

        Args:
            size: its long side in pixels; 0 keeps the original size.

        Raises:
            ImageError: the picture cannot be read.
            ParameterError: the size is too small for the layers, or larger than ``max_pixels``.
        """
        if size < 0:
            raise ParameterError(f"size: expected 0 or more pixels, got {size}")
        picture = images.read(image, max_pixels=self._max_pixels)
        self.notes += tuple(f"{picture.name}: {note}" for note in picture.notes)
        own = size_of(picture.pixels)
        height, width = fit(own, size)
        if min(height, width) < self._min_side:
            raise ParameterError(
                f"size: the chosen layers need at least {self._min_side} pixels on each side, "
                f"got {picture.name} at {width}x{height}"
            )
        if height * width > self._max_pixels:
            raise ParameterError(
                f"size: {picture.name} at {width}x{height} has {height * width} pixels, "
                f"the limit is {self._max_pixels}"
            )
        return resize(picture.pixels, (height, width)).to(self.device)

    @own_modes()
    def load(self) -> Encoder:
        """Load the network once, and return it.

        Raises:
            WeightsError: its weights cannot be downloaded or read.
        """
        if self._encoder is None:
            encoder = self._own or build_encoder(self._recipe, progress=self._progress)
            self._encoder = encoder.to(device=self.device, dtype=self.dtype)
        return self._encoder

    @own_modes()
    def features(self, picture: Tensor) -> dict[str, Tensor]:
        """Feature maps of a picture from :meth:`read`: layer -> (C, H, W) float32 on the CPU, in the given order."""
        with torch.inference_mode(), float32_products(tf32=self.precision == "tf32"):
            found = self.load()(picture, self.layers)
        return {layer: found[layer][0].float().cpu() for layer in self.layers}
