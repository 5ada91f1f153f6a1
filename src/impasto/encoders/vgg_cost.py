"""The cost of a VGG in memory and arithmetic, computed without loading it; memory is counted tensor by tensor."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from impasto.encoders.vgg import Padding, Pooling
from impasto.encoders.weights import ARCHITECTURES
from impasto.geometry import Size
from impasto.kernels.fastest import fastest, kernel_bytes

_CHANNELS = (64, 128, 256, 512, 512)
_PICTURE = 12  # bytes per pixel of a float32 picture
# Element size of the network -> bytes of the process after loading the weights, before the first iteration.
_PROCESS = {2: 440e6, 4: 370e6}
# The margin of a tile, in pixels.
MARGINS: Mapping[Pooling, int] = {"max": 80, "average": 80, "l2": 80, "max-blur": 96}
# The time of an evaluation as a multiple of the forward pass's arithmetic, by convolution method. Work other than
# arithmetic has a larger share where matrix units do the arithmetic.
_PASSES = {"direct": 7.0, "plain": 3.3, "products": 2.75, "winograd-4": 2.9, "winograd-6": 2.9}
# The time of an evaluation as a multiple of that with max pooling and zero padding (docs/log.md).
_POOLING_FACTORS = {"max-blur": 1.13}
_PADDING_FACTORS = {"replicate": 1.09, "reflect": 1.1}


@dataclass(frozen=True)
class VGGCost:
    """The cost of a VGG up to relu5_1, for pictures processed in tiles and strips.

    Args:
        name: name of the network, a key of :data:`impasto.encoders.weights.ARCHITECTURES`.
        pooling, padding: as in :class:`impasto.encoders.vgg.VGG`.
    """

    name: str
    pooling: Pooling
    padding: Padding

    def channels(self, layer: str) -> int:
        """Channels of a layer's features."""
        return _CHANNELS[_block(layer) - 1]

    def stride(self, layer: str) -> int:
        """The stride of a layer, in pixels of the picture."""
        return 1 << (_block(layer) - (not layer.startswith("pool")))

    def process_bytes(self, itemsize: int) -> float:
        """Memory of a process that has loaded the network, in bytes."""
        return _PROCESS[itemsize]

    def weight_bytes(self, itemsize: int) -> float:
        """Memory of the weights, in bytes."""
        return 40e6 * itemsize

    def kernel_bytes(self, side: float, device: torch.device, itemsize: int) -> float:
        """Memory of the transformed kernels, forward and backward, for pictures up to ``side`` pixels; in bytes."""
        dtype = torch.bfloat16 if itemsize == 2 else torch.float32
        total = 0
        for name, (out, into, _, _) in ARCHITECTURES[self.name].shapes().items():
            for channels in ((into, out), (out, into)):
                total += kernel_bytes(channels, dtype, device, side)
            if name == "conv5_1":
                break
        return total

    def work_bytes(self, size: Size, *, tile: int, seamless: bool, itemsize: int) -> float:
        """Peak memory of one tile, forward and backward, in bytes; a tile of 0 is the whole picture."""
        margin = 2 * MARGINS[self.pooling]
        sides = [
            min(side, tile + margin) if tile else side
            for side in _input_size(size, margin, seamless=seamless)
        ]
        pixels = sides[0] * sides[1]
        # The inputs of the blocks in the forward pass and their gradients in the backward pass: 33 and 24 values per
        # pixel. Besides: the picture, its normalised copy, and its gradient.
        maps = pixels * (itemsize * (33 + 24) + 3 * _PICTURE)
        # Strips: a block's maps and their gradients.
        strip = {2: 8e6, 4: 64e6}[itemsize]
        # Not all of these are in memory at once.
        return 0.7 * (maps + min(10 * strip, pixels * itemsize * 64 * 6))

    def arithmetic(
        self, size: Size, *, tile: int, seamless: bool, dtype: torch.dtype, device: torch.device
    ) -> float:
        """The time of one evaluation, as a number of operations at the rate of a convolution with 128 channels."""
        operations, below = 0.0, 3
        for block, (count, channels) in enumerate(zip(self._convolutions, _CHANNELS, strict=True)):
            for _ in range(count if block < 4 else 1):
                operations += 2 * 9 * below * channels / 4**block
                below = channels
        margin = 2 * MARGINS[self.pooling]
        height, width = size if tile and max(size) > tile else _input_size(size, margin, seamless=seamless)
        pixels = height * width * ((1 + margin / tile) ** 2 if tile and max(size) > tile else 1.0)
        factor = _POOLING_FACTORS.get(self.pooling, 1.0) * _PADDING_FACTORS.get(self.padding, 1.0)
        return factor * operations * pixels * _PASSES[fastest((128, 128), dtype, device, 384)]

    @property
    def _convolutions(self) -> Sequence[int]:
        return ARCHITECTURES[self.name].convolutions


def _block(layer: str) -> int:
    found = re.search(r"\d", layer)
    return int(found[0]) if found else 1


def _input_size(size: Size, margin: int, *, seamless: bool) -> Size:
    """The size of the network's input for a picture of one tile; a seamless picture has a margin that wraps."""
    added = margin if seamless else 0
    return size[0] + added, size[1] + added
