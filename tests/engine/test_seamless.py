"""Laws of seamless pictures: the network sees them go on at their other side, whatever the cut."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.encoders.vgg import VGG, Pooling
from impasto.encoders.weights import Convolutions
from impasto.engine.evaluation import evaluator
from impasto.engine.tiling.gradient import tiled
from impasto.losses.content import share
from impasto.losses.gram import Gram
from impasto.losses.objective import ContentTerm, FeatureMapTerm, Objective, StyleTerm, targets
from impasto.losses.patches import Patches
from tests.engine.tiling.test_gradient import Stripped, _picture, thin

__all__ = ["thin"]
OBJECTIVE: Objective = (
    ContentTerm("relu4_2", share, 1.0),
    *(StyleTerm(layer, Gram(reduce="share"), 0.3, layer) for layer in ("relu1_1", "relu3_1", "relu5_1")),
)


class Endless(VGG):
    """The plain twin: every convolution sees the other side."""

    def _convolve(self, x: Tensor, name: str) -> Tensor:
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), self._kernels[name], self._biases[name])


class EndlessBlurred(Endless):
    """The same with max-blur pooling, whose blur sees the other side too."""

    def __init__(self, convolutions: Convolutions) -> None:
        super().__init__(convolutions, pooling="max-blur")

    def _run(self, image: Tensor) -> Iterator[tuple[str, Tensor]]:
        x = self._normalised(image)
        for name in self.layers:
            if name.startswith("conv"):
                x = self._convolve(x, name)
            elif name.startswith("relu"):
                x = F.relu(x)
            else:
                maxima = F.max_pool2d(F.pad(x, (1, 1, 1, 1), mode="circular"), 2, 1)
                line = maxima.new_tensor([0.25, 0.5, 0.25])
                channels = x.shape[1]
                kernel = (line[:, None] * line).expand(channels, 1, 3, 3)
                x = F.conv2d(maxima, kernel, stride=2, groups=channels)
            yield name, x


@pytest.mark.parametrize("size", [(64, 64), (96, 160), (32, 16)])
@pytest.mark.parametrize(("strip", "tile"), [(0, 0), (1, 0), (0, 48), (4000, 32)])
@pytest.mark.parametrize("pooling", ["max", "max-blur"])
def test_it_is_what_circular_convolutions_see(
    thin: Convolutions, size: tuple[int, int], strip: int, tile: int, pooling: Pooling
) -> None:
    network = VGG(thin, pooling=pooling).to(dtype=torch.float64)
    endless = (EndlessBlurred if pooling == "max-blur" else Endless)(thin).to(dtype=torch.float64)
    content, style, x = _picture(*size, 1), _picture(50, 80, 2), 255 * _picture(*size, 3, 2)
    objective = (*OBJECTIVE, FeatureMapTerm("relu3_1", Patches(), 0.2, "relu3_1", label="patches"))
    wanted = targets(
        objective,
        content,
        endless(content, ["relu4_2"]),
        [network(style, ["relu1_1", "relu3_1", "relu5_1"])],
        lambda term: [1.0],
        [{}],
    )
    plain = evaluator(endless, objective, wanted, 255.0)(x)
    prepare = tiled(Stripped(network, strip), objective, [1.0], 255.0, tile=tile, seamless=True)  # type: ignore[arg-type]
    ours = prepare(lambda: content, [lambda: style])(x)
    assert ours.terms == pytest.approx(dict(plain.terms), rel=1e-10)
    torch.testing.assert_close(
        ours.gradient, plain.gradient, rtol=1e-7, atol=1e-11 * float(plain.gradient.abs().max())
    )


def test_a_picture_that_is_rolled_is_the_same(thin: Convolutions) -> None:
    network = VGG(thin).to(dtype=torch.float64)
    content, style, x = _picture(64, 96, 1), _picture(50, 80, 2), _picture(64, 96, 3)
    objective = OBJECTIVE[1:]
    evaluate = tiled(network, objective, [1.0], tile=48, seamless=True)(lambda: content, [lambda: style])
    here, there = evaluate(x), evaluate(x.roll((32, 48), (2, 3)))
    assert there.loss == pytest.approx(here.loss, rel=1e-10)
    torch.testing.assert_close(there.gradient, here.gradient.roll((32, 48), (2, 3)))


def test_sides_that_do_not_fit_are_refused(thin: Convolutions) -> None:
    network = VGG(thin).to(dtype=torch.float64)
    content = _picture(60, 64, 1)
    with pytest.raises(ValueError, match="multiples of 16, got 64x60"):
        tiled(network, OBJECTIVE, [1.0], seamless=True)(lambda: content, [lambda: content])
