"""VGG16 and VGG19 (Simonyan and Zisserman 2014, arXiv:1409.1556) without the classifier, as a feature extractor.

The network runs up to the deepest requested layer. Layers are named conv1_1, relu1_1 … relu5_4 and pool1 … pool5. No
layer works in place, so conv4_2 and relu4_2 are different feature maps.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Literal, Self, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.encoders.convolution import Border, Convolution, bordered
from impasto.encoders.pooling import AveragePool, L2Pool, MaxBlurPool, MaxPool, Pool
from impasto.encoders.streaming import Block, Stream
from impasto.encoders.weights import Convolutions
from impasto.errors import ParameterError, unknown_name

Pooling = Literal["max", "average", "l2", "max-blur"]
Padding = Literal["zero", "replicate", "replicate-first", "reflect"]


def _blur(x: Tensor) -> Tensor:
    """``x`` blurred by [1 2 1] / 4 along rows and columns, with stride 2: two average poolings of side 2."""
    return F.avg_pool2d(F.avg_pool2d(x, 2, 1), 2)


# Average and L2 pooling change the scale of activations, which compounds over five blocks. With these factors, one
# for each pooling, the mean activation of VGG19 after each pooling equals that with max pooling, on 20 photographs
# and paintings at 256 pixels (spread 4 to 20 %). A blur does not change the mean.
_POOLINGS: dict[Pooling, tuple[Callable[[Tensor], Tensor], tuple[float, ...]]] = {
    "max": (lambda x: F.max_pool2d(x, 2), (1.0, 1.0, 1.0, 1.0, 1.0)),
    "average": (lambda x: F.avg_pool2d(x, 2), (1.34, 1.65, 1.33, 2.06, 1.92)),
    "l2": (lambda x: F.lp_pool2d(x, 2.0, 2), (0.62, 0.71, 0.63, 0.79, 0.78)),
    "max-blur": (lambda x: _blur(F.max_pool2d(x, 2, 1, padding=1)), (1.0, 1.0, 1.0, 1.0, 1.0)),
}
POOLINGS: tuple[Pooling, ...] = tuple(_POOLINGS)

# Element size -> bytes of a strip's largest map. Smaller strips recompute more rows at their ends; larger ones take
# more memory. In float32, convolutions are slower, so fewer blocks should be recomputed (docs/log.md).
_STRIP = {2: 16 << 20, 4: 64 << 20, 8: 64 << 20}
PADDINGS: tuple[Padding, ...] = get_args(Padding)


def layer_names(blocks: tuple[int, ...]) -> tuple[str, ...]:
    """Names of all layers in order, for a network with that many convolutions in each block."""
    names: list[str] = []
    for block, convolutions in enumerate(blocks, start=1):
        for index in range(1, convolutions + 1):
            names += [f"conv{block}_{index}", f"relu{block}_{index}"]
        names.append(f"pool{block}")
    return tuple(names)


def smallest_side(names: tuple[str, ...], layers: Collection[str]) -> int:
    """The shortest side in pixels at which every one of ``layers`` has at least one pixel."""
    deepest = max(names.index(layer) for layer in layers)
    return 1 << sum(name.startswith("pool") for name in names[: deepest + 1])


class VGG:
    """VGG as an encoder: a callable ``(image, layers) -> {layer: features}``.

    Args:
        convolutions: kernels, biases and mean pixel, RGB in 0..255 (see :mod:`impasto.encoders.weights`).
        pooling: "max" as in training; "average" as Gatys et al. suggest, or "l2", both rescaled; "max-blur" is "max"
            without aliasing (:class:`impasto.encoders.pooling.MaxBlurPool`).
        padding: "zero" as in training; "replicate" repeats the edge; "reflect" mirrors the picture at the edge;
            "replicate-first" repeats the edge for conv1_1 and pads the others with zeros.
        mean: the mean pixel to subtract in place of that of ``convolutions``, RGB in 0..255.

    Raises:
        ParameterError: unknown pooling or padding.
    """

    def __init__(
        self,
        convolutions: Convolutions,
        *,
        pooling: Pooling = "max",
        padding: Padding = "zero",
        mean: tuple[float, float, float] | None = None,
    ) -> None:
        if pooling not in _POOLINGS:
            raise unknown_name("pooling", pooling, POOLINGS)
        if padding not in PADDINGS:
            raise unknown_name("padding", padding, PADDINGS)
        self.name = convolutions.network
        self.source = convolutions.source
        self.pooling = pooling
        self.padding = padding
        blocks = [name[4 : name.index("_")] for name in convolutions.kernels]
        self.layers = layer_names(tuple(blocks.count(block) for block in dict.fromkeys(blocks)))
        self._kernels = dict(convolutions.kernels)
        self._biases = dict(convolutions.biases)
        self._mean = torch.tensor(mean or convolutions.mean, dtype=torch.float64).view(1, 3, 1, 1)
        self._ready: dict[str, Convolution] = {}  # prepared for streams, by layer

    def to(self, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        """Move and cast the weights, in place. Features have that dtype; the image may have any float dtype."""
        self._ready.clear()
        for tensors in (self._kernels, self._biases):
            for name, tensor in tensors.items():
                # oneDNN and cuDNN compute in channels last, and would reorder any other format in every call.
                tensors[name] = (
                    tensor.to(device=device, dtype=dtype, memory_format=torch.channels_last)
                    if tensor.ndim == 4
                    else tensor.to(device=device, dtype=dtype)
                )
        # The mean stays in at least float32: with the 8-bit significand of bfloat16, 123.68 becomes 123.5 or 124.
        keep = torch.float64 if dtype == torch.float64 else torch.float32
        self._mean = self._mean.to(dtype=keep).to(device=device)  # the dtype first: Metal has no float64
        return self

    @property
    def dtype(self) -> torch.dtype:
        return next(iter(self._kernels.values())).dtype

    def __call__(self, image: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """Feature maps of ``layers``.

        Args:
            image: (N, 3, H, W), RGB in [0, 1]. Values outside are not clamped.
            layers: names in ``self.layers``.

        Returns:
            layer name -> (N, C, H', W') in the dtype of the weights.

        Raises:
            ParameterError: an unknown layer, or an image too small for the deepest one.
        """
        self._check(image, layers)
        wanted = set(layers)
        features: dict[str, Tensor] = {}
        for name, x in self._run(image):
            if name in wanted:
                features[name] = x
                wanted.remove(name)
                if not wanted:
                    break
        return features

    def propagate_mask(self, mask: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """The share of each feature's receptive field that a mask covers.

        The mask is passed through the network with every kernel replaced by a mean, so pixels near the centre of a
        receptive field have more weight, as they do in the features.

        Args:
            mask: (1, 1, H, W) in [0, 1].
            layers: names in ``self.layers``.

        Returns:
            layer name -> (1, 1, H', W').
        """
        found: dict[str, Tensor] = {}
        left = set(layers)
        for name in self.layers:
            if not left:
                break
            if name.startswith("conv"):
                mask = F.avg_pool2d(mask, 3, 1, 1, count_include_pad=False)
            elif name.startswith("pool") and self.pooling == "max-blur":
                mask = _blur(F.avg_pool2d(mask, 2, 1, 1, count_include_pad=False))
            elif name.startswith("pool"):
                mask = F.avg_pool2d(mask, 2)
            if name in left:
                found[name] = mask
                left.remove(name)
        return found

    def stream(self, layers: Collection[str], *, strip: int | None = None) -> Stream:
        """The same network for some layers, forward and backward in strips of rows.

        Args:
            layers: names in ``self.layers``.
            strip: bytes of the largest feature map of one strip; None selects the fastest value, 0 disables strips.

        Raises:
            ParameterError: an unknown layer.
        """
        deepest = max(layers, key=self._index)
        if strip is None:
            strip = _STRIP[self.dtype.itemsize] if self._mean.device.type == "cpu" else 0
        blocks: list[Block] = []
        for number in range(1, 1 + sum(name.startswith("pool") for name in self.layers)):
            names = [name for name in self._kernels if name.startswith(f"conv{number}_")]
            needed = [name for name in names if self._index(name) <= self._index(deepest)]
            if not needed:
                break
            pooled = self._index(f"pool{number}") <= self._index(deepest)
            blocks.append(
                Block(
                    number,
                    tuple(self._convolution(name) for name in needed),
                    self._pool(number) if pooled else None,
                )
            )
        return Stream(
            blocks,
            layers,
            normalise=lambda image: self._normalised(self._check(image, layers)),
            scale=255.0,
            strip=strip,
        )

    def _convolution(self, name: str) -> Convolution:
        if name not in self._ready:
            self._ready[name] = Convolution(
                self._kernels[name], self._biases[name], border=self._border(name)
            )
        return self._ready[name]

    def _pool(self, number: int) -> Pool:
        factor = _POOLINGS[self.pooling][1][number - 1]
        match self.pooling:
            case "max":
                return MaxPool()
            case "average":
                return AveragePool(factor)
            case "l2":
                return L2Pool(factor)
            case "max-blur":
                return MaxBlurPool()

    def _check(self, image: Tensor, layers: Collection[str]) -> Tensor:
        deepest = max(layers, key=self._index)
        side = smallest_side(self.layers, layers)
        if min(image.shape[-2:]) < side:
            height, width = image.shape[-2:]
            raise ParameterError(
                f"image: expected at least {side} pixels on each side for layer {deepest}, got {width}x{height}; "
                "use a larger image or a shallower layer"
            )
        return image

    def _normalised(self, image: Tensor) -> Tensor:
        return (image * 255.0 - self._mean).to(self.dtype, memory_format=torch.channels_last)

    def _border(self, name: str) -> Border:
        """The padding of a convolution."""
        if self.padding == "replicate-first":
            return "replicate" if name == self.layers[0] else "zero"
        return self.padding

    def _index(self, layer: str) -> int:
        if layer not in self.layers:
            raise unknown_name(f"layer of {self.name}", layer, self.layers)
        return self.layers.index(layer)

    def _run(self, image: Tensor) -> Iterator[tuple[str, Tensor]]:
        x = self._normalised(image)
        for name in self.layers:
            if name.startswith("conv"):
                x = self._convolve(x, name)
            elif name.startswith("relu"):
                x = F.relu(x)
            else:
                pool, factors = _POOLINGS[self.pooling]
                factor = factors[int(name.removeprefix("pool")) - 1]
                x = pool(x) if factor == 1.0 else pool(x) * factor
            yield name, x

    def _convolve(self, x: Tensor, name: str) -> Tensor:
        border = self._border(name)
        if border != "zero":
            return F.conv2d(bordered(x, (1, 1, 1, 1), border), self._kernels[name], self._biases[name])
        return F.conv2d(x, self._kernels[name], self._biases[name], padding=1)
