"""The widest numbers that a device computes with: float64, which Metal does not have."""

from __future__ import annotations

import torch
from torch import Tensor


def exact_type(device: torch.device) -> torch.dtype:
    """The widest type of numbers that the device has."""
    return torch.float32 if device.type == "mps" else torch.float64


def exact(values: Tensor) -> Tensor:
    """The values in float64: where they are, or on the processor where their device has none."""
    return values.to("cpu" if values.device.type == "mps" else values.device, torch.float64)
