"""How fast this processor computes the network in bfloat16: measured, because no processor flag predicts it.

With AVX-512 alone, oneDNN accepts bfloat16 but is slower than in float32. With AVX512-BF16, convolutions are faster,
but this package's kernels for pooling and for sums over pixels exist in float32 only. The benchmark is therefore a
full evaluation (loss and gradient) of a small picture. Its network is VGG's first half with random weights.
"""

from __future__ import annotations

import torch
from torch import Tensor

from impasto.encoders.vgg import VGG
from impasto.encoders.weights import Architecture, Convolutions
from impasto.engine.evaluation import Evaluate
from impasto.engine.tiling.gradient import tiled
from impasto.kernels.compiled import library
from impasto.kernels.fastest import REVISION
from impasto.losses.gram import Gram
from impasto.losses.objective import StyleTerm
from impasto.measured import measured, race
from impasto.processor import processor

_NETWORK = Architecture(convolutions=(2, 2, 4, 1), channels=(64, 128, 256, 512))
_SIZE = (64, 96)
_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def speed() -> float | None:
    """The network's speedup in bfloat16 over float32; None where the processor has no bfloat16.

    Measured once, in less than a second, then cached.
    """
    if not processor().bfloat16:
        return None
    times = measured(question(), _measure, revision=REVISION, accept=_are_timings)
    return times["float32"] / times["bfloat16"]


def question() -> str:
    """The cache key of the measurement; it names the compiled kernels in use."""
    own = library()
    return f"an evaluation in float32 and bfloat16 {own.extension if own else 'torch'}"


def _measure() -> dict[str, float]:
    """Number type -> milliseconds of one evaluation."""
    generator = torch.Generator().manual_seed(0)
    network = _random_network(generator)
    style, x = (torch.rand(1, 3, *_SIZE, generator=generator) for _ in range(2))
    evaluate = {name: _evaluation(network, dtype, style) for name, dtype in _TYPES.items()}
    return race({name: lambda of=of: of(x) for name, of in evaluate.items()}, seconds=0.1)  # type: ignore[misc]


def _random_network(generator: torch.Generator) -> Convolutions:
    """VGG's first half with random kernels, scaled so that activations keep their magnitude from layer to layer."""
    kernels = {
        name: torch.empty(shape).uniform_(-1, 1, generator=generator).mul_((6 / (9 * shape[1])) ** 0.5)
        for name, shape in _NETWORK.shapes().items()
    }
    biases = {name: torch.zeros(len(kernel)) for name, kernel in kernels.items()}
    return Convolutions("none", kernels, biases, (123.68, 116.779, 103.939), "made up", "none")


def _evaluation(network: Convolutions, dtype: torch.dtype, style: Tensor) -> Evaluate:
    """Loss and gradient of the Gram style loss, one layer per block."""
    layers = [f"relu{block}_1" for block in range(1, 1 + len(_NETWORK.convolutions))]
    objective = tuple(StyleTerm(layer, Gram(reduce="share"), 1.0, layer) for layer in layers)
    return tiled(VGG(network).to(dtype=dtype), objective, [1.0], tile=0)(lambda: style, [lambda: style])


def _are_timings(stored: object) -> bool:
    return (
        isinstance(stored, dict)
        and stored.keys() == _TYPES.keys()
        and all(isinstance(value, int | float) and value > 0 for value in stored.values())
    )
