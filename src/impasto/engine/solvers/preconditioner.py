"""A picture's frequencies weighed as a photograph has them, so that a solver's steps are smooth first.

Photographs have amplitudes of about f⁻¹ at frequency f, but a step along the raw gradient, or along what L-BFGS makes
of its first few, moves all frequencies alike: most of it is noise that later steps must take back. A solver that
works on u with x = L u, where L multiplies frequency f by f⁻ᵖ, takes its steps in pictures instead. The
optimum is the same; fewer iterations lead there (figures in docs/log.md).
"""

from __future__ import annotations

import torch
from torch import Tensor

from impasto.geometry import Size

LARGEST = 1 << 24
"""Pixels; beyond, a transform takes memory that a large picture needs for itself."""


class Spectrum:
    """The filter L of one size: real, symmetric and of unit mean power.

    Args:
        size: (height, width).
        exponent: p, 0 leaves everything as it is.
        like: a tensor of the type and on the device to compute with.
    """

    def __init__(self, size: Size, exponent: float, like: Tensor) -> None:
        self._size = size
        height, width = size
        rows = torch.fft.fftfreq(height, dtype=like.dtype, device=like.device)[:, None]
        columns = torch.fft.rfftfreq(width, dtype=like.dtype, device=like.device)
        # The mean colour counts as the lowest frequency.
        frequency = (rows.square() + columns.square()).sqrt_().clamp_(min=1.0 / max(size))
        amplitude = frequency.pow_(-exponent)
        self._amplitude = amplitude / amplitude.square().mean().sqrt()

    def apply(self, x: Tensor) -> None:
        """L x, in place, for (N, C, H, W)."""
        self._filter(x, self._amplitude)

    def undo(self, x: Tensor) -> None:
        """L⁻¹ x, in place."""
        self._filter(x, 1.0 / self._amplitude)

    def _filter(self, x: Tensor, factor: Tensor) -> None:
        for plane in x.view(-1, *self._size):  # one at a time: a transform is as large as what it is of
            plane.copy_(torch.fft.irfft2(torch.fft.rfft2(plane).mul_(factor), s=self._size))
