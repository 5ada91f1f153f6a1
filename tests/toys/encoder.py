"""An encoder: one convolution."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class Toy:
    layers = ("relu1",)

    def to(self, **_: Any) -> Toy:
        return self

    def __call__(self, image: Tensor, layers: Any) -> dict[str, Tensor]:
        kernel = torch.linspace(-1, 1, 4 * 27).sin().view(4, 3, 3, 3)
        return {"relu1": F.relu(F.conv2d(image.float(), kernel, padding=1))}
