"""Encoders: networks that compute feature maps of a picture: (image, layers) -> {layer: features}."""

from __future__ import annotations

from impasto.encoders.module import ModuleEncoder, from_module
from impasto.encoders.vgg import VGG

__all__ = ["VGG", "ModuleEncoder", "from_module"]
