"""A 3 × 3 convolution and its gradient, by whichever way is the fastest here."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from impasto.kernels.convolve import Packed
from impasto.kernels.winograd import Pad

Border = Literal["zero", "replicate", "reflect"]
"""What a convolution sees beyond the edge: nothing, the edge once more, or the row before it."""


class Convolution:
    """A 3 × 3 convolution with a border of one pixel, optionally followed by ReLU, and its gradient.

    Args:
        kernel: (C_out, C_in, 3, 3).
        bias: (C_out,).
        border: what is beyond the picture's edge.
    """

    def __init__(self, kernel: Tensor, bias: Tensor, *, border: Border) -> None:
        self.border = border
        self.channels = kernel.shape[0]
        self._bias = bias
        self._packed = Packed(kernel)

    def forward(self, x: Tensor, *, relu: bool, top: bool, bottom: bool) -> Tensor:
        """Rows that can be computed: one fewer than came at each end that is not the picture's own.

        Args:
            x: (N, C_in, h, W), some rows of the input.
            relu: cut off what is negative.
            top, bottom: whether the first or last row is the picture's own.
        """
        pad = (1, 1, int(top), int(bottom))
        if self.border == "zero":
            return self._packed.there(x, self._bias, pad, relu=relu)
        return self._packed.there(bordered(x, pad, self.border), self._bias, (0, 0, 0, 0), relu=relu)

    def backward(self, g: Tensor, mask: Tensor | None, *, top: bool, bottom: bool) -> Tensor:
        """The gradient at the input, one row more than came at each end that is not the picture's own.

        Args:
            g: the one at the result.
            mask: the result's ReLU; where it is not above zero nothing comes back. None where there is no ReLU.
        """
        if self.border == "zero":
            return self._packed.back(g, None, (1, 1, 2 - int(top), 2 - int(bottom)), mask=mask)
        wide = self._packed.back(g, None, (2, 2, 2, 2), mask=mask)
        return _fold(wide, self.border, top=top, bottom=bottom)


def bordered(x: Tensor, pad: Pad, border: Border) -> Tensor:
    """``x`` (N, C, H, W) with that many pixels of the border around it, 0 or 1 a side.

    A single row or column has nothing to be mirrored at its ends, and is repeated.
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
    """The gradient of a border: what reached it belongs to the pixels that it shows."""
    g = _folded(g, border, first=True, last=True)
    return _folded(g.transpose(2, 3), border, first=top, last=bottom).transpose(2, 3)


def _folded(g: Tensor, border: Border, *, first: bool, last: bool) -> Tensor:
    """Folds the first and last column onto those that they show, where they are a border."""
    inside = g.shape[3] - first - last
    inward = 1 + (border == "reflect" and inside > 1)
    if first:
        g[..., inward] += g[..., 0]
    if last:
        g[..., -1 - inward] += g[..., -1]
    return g[..., int(first) : g.shape[3] - last]
