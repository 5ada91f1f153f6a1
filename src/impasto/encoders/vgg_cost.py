"""What a VGG takes, known without loading it: memory counted tensor by tensor, and arithmetic."""

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
_PICTURE = 12  # bytes a pixel of a float32 picture
# Bytes of the process with the weights read and nothing painted, by bytes of the network's numbers.
_PROCESS = {2: 440e6, 4: 370e6}
# Pixels that a tile is shown around it.
MARGINS: Mapping[Pooling, int] = {"max": 80, "average": 80, "l2": 80, "max-blur": 96}
# Times the forward arithmetic that an evaluation takes the time of: what is not arithmetic counts more where matrix
# units do the arithmetic.
_PASSES = {"direct": 7.0, "plain": 3.3, "products": 2.75, "winograd-4": 2.9, "winograd-6": 2.9}
# How many times as long an evaluation takes as with maxima and zeros (docs/log.md).
_POOLING_TAKES = {"max-blur": 1.13}
_PADDING_TAKES = {"replicate": 1.09, "reflect": 1.1}


@dataclass(frozen=True)
class VGGCost:
    """What a VGG takes for pictures worked through in tiles and strips, as deep as relu5_1.

    Args:
        name: of the network, a key of :data:`impasto.encoders.weights.ARCHITECTURES`.
        pooling, padding: as in :class:`impasto.encoders.vgg.VGG`.
    """

    name: str
    pooling: Pooling
    padding: Padding

    def channels(self, layer: str) -> int:
        """Channels of a layer's features."""
        return _CHANNELS[_block(layer) - 1]

    def stride(self, layer: str) -> int:
        """Pixels of the picture from one feature to the next."""
        return 1 << (_block(layer) - (not layer.startswith("pool")))

    def process_bytes(self, itemsize: int) -> float:
        """Memory of a process that has loaded it."""
        return _PROCESS[itemsize]

    def weight_bytes(self, itemsize: int) -> float:
        """Memory of the weights."""
        return 40e6 * itemsize

    def kernel_bytes(self, side: float, device: torch.device, itemsize: int) -> float:
        """Memory of the kernels as they are multiplied, forward and backward, for pictures up to ``side`` pixels."""
        dtype = torch.bfloat16 if itemsize == 2 else torch.float32
        total = 0
        for name, (out, into, _, _) in ARCHITECTURES[self.name].shapes().items():
            for channels in ((into, out), (out, into)):
                total += kernel_bytes(channels, dtype, device, side)
            if name == "conv5_1":
                break
        return total

    def work_bytes(self, size: Size, *, tile: int, seamless: bool, itemsize: int) -> float:
        """Memory while one tile is worked through, forward and backward; a tile of 0 is the whole picture."""
        margin = 2 * MARGINS[self.pooling]
        sides = [
            min(side, tile + margin) if tile else side for side in _shown(size, margin, seamless=seamless)
        ]
        pixels = sides[0] * sides[1]
        # What each block is given on the way there, and its gradients on the way back: 33 and 24 values a pixel;
        # the picture before and after it is normalised, and its gradient.
        maps = pixels * (itemsize * (33 + 24) + 3 * _PICTURE)
        # Strips: a block's maps and their gradients.
        strip = {2: 8e6, 4: 64e6}[itemsize]
        # Not all of it at once.
        return 0.7 * (maps + min(10 * strip, pixels * itemsize * 64 * 6))

    def arithmetic(
        self, size: Size, *, tile: int, seamless: bool, dtype: torch.dtype, device: torch.device
    ) -> float:
        """Operations that one evaluation takes the time of, at the rate of a convolution of 128 channels."""
        operations, below = 0.0, 3
        for block, (count, channels) in enumerate(zip(self._convolutions, _CHANNELS, strict=True)):
            for _ in range(count if block < 4 else 1):
                operations += 2 * 9 * below * channels / 4**block
                below = channels
        margin = 2 * MARGINS[self.pooling]
        height, width = size if tile and max(size) > tile else _shown(size, margin, seamless=seamless)
        pixels = height * width * ((1 + margin / tile) ** 2 if tile and max(size) > tile else 1.0)
        longer = _POOLING_TAKES.get(self.pooling, 1.0) * _PADDING_TAKES.get(self.padding, 1.0)
        return longer * operations * pixels * _PASSES[fastest((128, 128), dtype, device, 384)]

    @property
    def _convolutions(self) -> Sequence[int]:
        return ARCHITECTURES[self.name].convolutions


def _block(layer: str) -> int:
    found = re.search(r"\d", layer)
    return int(found[0]) if found else 1


def _shown(size: Size, margin: int, *, seamless: bool) -> Size:
    """What the network is shown of a picture of one tile: a seamless one has its other side all around."""
    around = margin if seamless else 0
    return size[0] + around, size[1] + around
