"""A 3 × 3 convolution and its gradient, by the method that is fastest on this machine."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from impasto.kernels.convolve import Packed
from impasto.kernels.winograd import Pad

Border = Literal["zero", "replicate", "reflect"]
"""Padding of one pixel beyond the edge: zeros, the edge pixels repeated, or the pixels next to the edge mirrored."""


class Convolution:
    """A 3 × 3 convolution with padding of one pixel, optionally followed by ReLU, and its gradient.

    Args:
        kernel: (C_out, C_in, 3, 3).
        bias: (C_out,).
        border: the kind of padding at the picture's edge.
    """

    def __init__(self, kernel: Tensor, bias: Tensor, *, border: Border) -> None:
        self.border = border
        self.channels = kernel.shape[0]
        self._bias = bias
        self._packed = Packed(kernel)

    def forward(self, x: Tensor, *, relu: bool, top: bool, bottom: bool) -> Tensor:
        """The convolution of a strip; it has one row fewer than ``x`` at each end that is not the map's edge.

        Args:
            x: (N, C_in, h, W), some rows of the input.
            relu: apply ReLU to the result.
            top, bottom: whether the strip includes the first or the last row of the map.
        """
        pad = (1, 1, int(top), int(bottom))
        if self.border == "zero":
            return self._packed.forward(x, self._bias, pad, relu=relu)
        return self._packed.forward(bordered(x, pad, self.border), self._bias, (0, 0, 0, 0), relu=relu)

    def backward(self, g: Tensor, mask: Tensor | None, *, top: bool, bottom: bool) -> Tensor:
        """The gradient at the input; it has one row more than ``g`` at each end that is not the map's edge.

        Args:
            g: the gradient at the result.
            mask: the result after ReLU; the gradient is zero where it is not above zero. None where there is no ReLU.
            top, bottom: whether the strip includes the first or the last row of the map.
        """
        if self.border == "zero":
            return self._packed.backward(g, None, (1, 1, 2 - int(top), 2 - int(bottom)), mask=mask)
        wide = self._packed.backward(g, None, (2, 2, 2, 2), mask=mask)
        return _fold(wide, self.border, top=top, bottom=bottom)


def bordered(x: Tensor, pad: Pad, border: Border) -> Tensor:
    """``x`` (N, C, H, W) padded by 0 or 1 pixels on each side.

    A single row or column cannot be mirrored, and is repeated instead.
    """
    if border == "zero":
        return F.pad(x, pad)
    mirrored = [border == "reflect" and side > 1 for side in x.shape[-2:]]
    if mirrored[0] == mirrored[1]:
        return F.pad(x, pad, mode="reflect" if mirrored[0] else "replicate")
    left, right, top, bottom = pad
    for mirror, part in zip(mirrored, ((0, 0, top, bottom), (left, right, 0, 0)), strict=True):
        x = F.pad(x, part, mode="reflect" if mirror else "replicate")
    return x


def _fold(g: Tensor, border: Border, *, top: bool, bottom: bool) -> Tensor:
    """The gradient of the padding: the gradient at a padded pixel is added to the pixel it was copied from."""
    g = _folded(g, border, first=True, last=True)
    return _folded(g.transpose(2, 3), border, first=top, last=bottom).transpose(2, 3)


def _folded(g: Tensor, border: Border, *, first: bool, last: bool) -> Tensor:
    """Add the first and last column, where they are padding, to the columns they were copied from."""
    inside = g.shape[3] - first - last
    inward = 1 + (border == "reflect" and inside > 1)
    if first:
        g[..., inward] += g[..., 0]
    if last:
        g[..., -1 - inward] += g[..., -1]
    return g[..., int(first) : g.shape[3] - last]
