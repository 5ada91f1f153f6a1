"""A spectral preconditioner: it weights frequencies as photographs do, so that a solver's first steps are smooth.

Photographs have amplitudes of about f⁻¹ at frequency f. A step along the raw gradient, or along the first few L-BFGS
directions, changes all frequencies alike: most of the step is noise that later steps must remove. A solver that
optimises u with x = L u, where L multiplies frequency f by f⁻ᵖ, takes steps with the spectrum of a photograph. The
optimum is the same and takes fewer iterations to reach (figures in docs/log.md).
"""

from __future__ import annotations

import torch
from torch import Tensor

from impasto.geometry import Size

LARGEST = 1 << 24
"""Pixels; for larger pictures the memory of the Fourier transform is too much."""


class Spectrum:
    """The filter L of one size: real, symmetric and of unit mean power.

    Args:
        size: (height, width).
        exponent: p; 0 is the identity.
        like: a tensor with the dtype and device of the computation.
    """

    def __init__(self, size: Size, exponent: float, like: Tensor) -> None:
        self._size = size
        height, width = size
        rows = torch.fft.fftfreq(height, dtype=like.dtype, device=like.device)[:, None]
        columns = torch.fft.rfftfreq(width, dtype=like.dtype, device=like.device)
        # Frequency 0, the mean colour, gets the amplitude of the lowest frequency.
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
        for plane in x.view(-1, *self._size):  # one at a time: a transform takes as much memory as its plane
            plane.copy_(torch.fft.irfft2(torch.fft.rfft2(plane).mul_(factor), s=self._size))
