"""One judge for every tool: pastiche's objective of a saved 8-bit picture, in float32, at three sizes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from impasto.encoders.vgg import VGG
from impasto.encoders.weights import load

SIZES = (512, 256, 128)
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


class Judge:
    """Reduces picture, content and style alike, as pastiche reads its files (Pillow, bilinear), and evaluates.

    The formula is written out here, without our losses, engine or solvers; only the network is ours.
    """

    def __init__(self) -> None:
        self._network = VGG(load("vgg19")).to(dtype=torch.float32)

    def __call__(self, picture: Path, content: Path, style: Path) -> dict[int, float]:
        """Long side in pixels -> loss."""
        opened = [Image.open(path).convert("RGB") for path in (picture, content, style)]
        return {size: self._loss(*opened, size) for size in SIZES}

    def _loss(self, picture: Image.Image, content: Image.Image, style: Image.Image, long_side: int) -> float:
        scale = long_side / max(content.size)
        size = (round(content.width * scale), round(content.height * scale))
        height = round(math.sqrt(size[0] * size[1] * style.height / style.width))
        style_size = (round(style.width / style.height * height), height)
        with torch.no_grad():
            x, p, a = (
                self._network(
                    _tensor(image.resize(to, Image.Resampling.BILINEAR)), (*STYLE_LAYERS, "relu4_2")
                )
                for image, to in ((picture, size), (content, size), (style, style_size))
            )
            loss = 0.01 * (x["relu4_2"] - p["relu4_2"]).square().mean()
            for layer in STYLE_LAYERS:
                difference = _gram(x[layer]) - _gram(a[layer])
                loss = loss + 10.0 / difference.shape[0] ** 2 * difference.square().mean()
        return float(loss)


def _tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255.0


def _gram(features: Tensor) -> Tensor:
    points = features[0].flatten(1)
    return points @ points.T / points.shape[1]
