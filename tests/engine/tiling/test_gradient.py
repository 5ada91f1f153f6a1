"""Laws of the exact gradient in pieces: whatever the cut, it is the whole picture's, and no seam."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from impasto.encoders.vgg import PADDINGS, POOLINGS, VGG, Padding, Pooling, layer_names
from impasto.encoders.weights import ARCHITECTURES, Convolutions
from impasto.engine.evaluation import autograd_evaluation
from impasto.engine.tiling import gradient as tiles
from impasto.engine.tiling.gradient import tiled
from impasto.engine.tiling.streamed import StreamableEncoder
from impasto.errors import ParameterError
from impasto.losses.content import half_sum, mean, share
from impasto.losses.gram import Gram
from impasto.losses.histogram import Histogram
from impasto.losses.matting import Matting
from impasto.losses.mean_deviation import MeanDeviation
from impasto.losses.newton_schulz import NewtonSchulzWasserstein
from impasto.losses.objective import (
    ContentTerm,
    FeatureMapLoss,
    FeatureMapTerm,
    Objective,
    PhotoTerm,
    SmoothnessTerm,
    StyleTerm,
)
from impasto.losses.patches import Patches
from impasto.losses.relaxed_transport import RelaxedTransport
from impasto.losses.self_similarity import SelfSimilarity
from impasto.losses.sliced_wasserstein import SlicedWasserstein
from impasto.losses.smoothness import TotalVariation, absolute_mean, absolute_sum, nine_point
from impasto.losses.wasserstein import Gaussian
from tests.conftest import BFLOAT16

STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


@pytest.fixture(scope="module")
def thin() -> Convolutions:
    """VGG19's layers with a few channels each: laws do not depend on how many."""
    generator = torch.Generator().manual_seed(0)
    kernels, biases, below = {}, {}, 3
    for block, count in enumerate(ARCHITECTURES["vgg19"].convolutions, start=1):
        for index in range(1, count + 1):
            channels = 3 + block
            kernel = torch.randn(channels, below, 3, 3, generator=generator) / (2 * below) ** 0.5
            kernels[f"conv{block}_{index}"] = kernel
            biases[f"conv{block}_{index}"] = torch.randn(channels, generator=generator)
            below = channels
    return Convolutions("vgg19", kernels, biases, (120.0, 115.0, 100.0), "made up", "none")


def _picture(height: int, width: int, seed: int, count: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, height, width, generator=generator, dtype=torch.float64)


class Stripped:
    """A network in strips of so many bytes."""

    def __init__(self, network: VGG, strip: int) -> None:
        self._network, self._strip = network, strip

    def stream(self, layers: object) -> object:
        return self._network.stream(layers, strip=self._strip)  # type: ignore[arg-type]


def _objective(style_loss: Gram | NewtonSchulzWasserstein | None = None) -> Objective:
    return (
        ContentTerm("relu4_2", share, 1.0),
        *(StyleTerm(layer, style_loss or Gram(reduce="share"), 0.3, layer) for layer in STYLE),
        SmoothnessTerm(nine_point, 0.1),
        PhotoTerm(Matting(), 0.1),
    )


def _same(
    network: VGG,
    encoder: StreamableEncoder,
    objective: Objective,
    size: tuple[int, int],
    *,
    tile: int = 0,
    count: int = 1,
    content_bytes: int = 1_000_000_000,
) -> None:
    content = _picture(*size, 1)
    styles = [_picture(50, 40, 2), _picture(33, 47, 3)]
    x = _picture(*size, 4, count) * 255
    plain = autograd_evaluation(network, objective, [0.7, 0.3], 255.0)(
        lambda: content, [lambda s=s: s for s in styles]
    )(x)
    prepare = tiled(encoder, objective, [0.7, 0.3], 255.0, tile=tile, content_bytes=content_bytes)
    evaluate = prepare(lambda: content, [lambda s=s: s for s in styles])
    ours = evaluate(x)
    assert evaluate(x, with_gradient=False).terms == pytest.approx(dict(plain.terms), rel=1e-10)
    assert ours.loss == pytest.approx(plain.loss, rel=1e-10)
    assert ours.terms == pytest.approx(dict(plain.terms), rel=1e-10)
    assert ours.gradient.dtype == x.dtype
    torch.testing.assert_close(
        ours.gradient, plain.gradient, rtol=1e-7, atol=1e-11 * float(plain.gradient.abs().max())
    )


@pytest.mark.processor
@pytest.mark.parametrize("size", [(64, 64), (97, 131), (130, 67), (16, 200)])
@pytest.mark.parametrize("strip", [0, 1, 20_000])
def test_strips_equal_the_whole(thin: Convolutions, size: tuple[int, int], strip: int) -> None:
    network = VGG(thin).to(dtype=torch.float64)
    _same(network, Stripped(network, strip), _objective(), size)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(200, 260), (211, 333), (97, 400)])
@pytest.mark.parametrize("tile", [pytest.param(16, marks=pytest.mark.exhaustive), 64, 100])
def test_tiles_equal_the_whole(thin: Convolutions, size: tuple[int, int], tile: int) -> None:
    network = VGG(thin).to(dtype=torch.float64)
    _same(network, network, _objective(), size, tile=tile)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_last_row_alone_is_no_strip(thin: Convolutions, pooling: Pooling) -> None:
    """81 rows in strips of ten, the last of which has nothing to be pooled with."""
    network = VGG(thin, pooling=pooling).to(dtype=torch.float64)
    width, channels = 40, thin.kernels["conv1_1"].shape[0]
    encoder = Stripped(network, 9 * channels * width * 8)
    _same(network, encoder, _objective(), (81, width))  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(16, 33), (17, 16), (31, 90)])
@pytest.mark.parametrize("padding", PADDINGS)
def test_maps_of_a_single_row(thin: Convolutions, size: tuple[int, int], padding: Padding) -> None:
    network = VGG(thin, padding=padding, pooling="max-blur").to(dtype=torch.float64)
    for strip in (0, 1):
        _same(network, Stripped(network, strip), _objective(), size)  # type: ignore[arg-type]


def test_strips_within_tiles_of_a_tall_picture(thin: Convolutions) -> None:
    """Cut by rows alone: some strips of a tile are all its own, though they are not its first."""
    network = VGG(thin).to(dtype=torch.float64)
    _same(network, Stripped(network, 1), _objective(), (800, 60), tile=320)  # type: ignore[arg-type]


@pytest.mark.processor
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("padding", PADDINGS)
def test_every_pooling_and_padding(thin: Convolutions, pooling: Pooling, padding: Padding) -> None:
    network = VGG(thin, pooling=pooling, padding=padding).to(dtype=torch.float64)
    for strip, tile in ((1, 0), (0, 64), (30_000, 64)):
        _same(network, Stripped(network, strip), _objective(), (133, 150), tile=tile)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "objective",
    [
        _objective(NewtonSchulzWasserstein()),
        _objective(Gram(divide="nothing", reduce="sum")),
        _objective(MeanDeviation()),
        _objective(Gaussian()),
        # Layers before ReLU, pooled ones, two terms at one layer, a style that follows another layer.
        (
            ContentTerm("conv3_2", mean, 1.0),
            ContentTerm("relu3_1", half_sum, 0.1),
            StyleTerm("relu3_1", Gram(), 1.0, "relu3_1"),
            StyleTerm("pool2", Gram(), 1.0, "conv2_1"),
            StyleTerm("conv1_1", Gram(), 1.0, "conv1_1"),
            StyleTerm("pool3", Gram(), 1.0, "pool3"),
        ),
        (ContentTerm("relu2_2", mean, 1.0),),
        (StyleTerm("relu1_1", Gram(), 1.0, "relu1_1"), SmoothnessTerm(absolute_mean, 1.0)),
        (SmoothnessTerm(nine_point, 1.0),),
    ],
    ids=["newton-schulz", "sums", "deviation", "gaussian", "odd-layers", "content", "shallow", "smoothness"],
)
def test_every_kind_of_term(thin: Convolutions, objective: Objective) -> None:
    widths = {**thin.kernels}
    # pool2 has as many channels as conv2_1.
    assert widths["conv2_1"].shape[0] == widths["conv2_2"].shape[0]
    network = VGG(thin).to(dtype=torch.float64)
    for strip, tile in ((0, 0), (1, 0), (1, 48)):
        _same(network, Stripped(network, strip), objective, (101, 90), tile=tile)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "loss",
    [
        SlicedWasserstein(),
        Histogram(),
        Patches(),
        Patches(max_patches=40),
        RelaxedTransport(),
        RelaxedTransport(max_pixels=30),
    ],
    ids=["sliced", "histogram", "patches", "few-patches", "relaxed", "relaxed-grid"],
)
def test_losses_of_whole_maps(thin: Convolutions, loss: FeatureMapLoss) -> None:
    """Beside losses with summaries, at layers before and behind a pooling; two at one layer; content's too."""
    network = VGG(thin).to(dtype=torch.float64)
    objective = (
        ContentTerm("relu3_1", share, 1.0),
        FeatureMapTerm("relu3_2", SelfSimilarity(max_pixels=50), 0.5, "relu3_2", of="content"),
        StyleTerm("relu2_1", Gram(reduce="share"), 0.3, "relu2_1", "gram"),
        FeatureMapTerm("relu2_1", loss, 0.3, "relu2_1"),
        FeatureMapTerm("relu3_1", loss, 0.3, "relu3_1"),
        FeatureMapTerm("relu3_1", Histogram(), 0.1, "relu3_1", label="too"),
        FeatureMapTerm("pool2", loss, 0.2, "conv2_1"),
        SmoothnessTerm(nine_point, 0.1),
    )
    for size, strip, tile, count in (((101, 90), 0, 0, 1), ((101, 90), 1, 48, 1), ((70, 133), 4000, 64, 2)):
        _same(network, Stripped(network, strip), objective, size, tile=tile, count=count)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "loss", [SlicedWasserstein(), RelaxedTransport(max_pixels=30), SelfSimilarity(max_pixels=30)]
)
def test_samples_are_the_same_however_it_is_cut(thin: Convolutions, loss: FeatureMapLoss) -> None:
    network = VGG(thin).to(dtype=torch.float64)
    x, content, style = _picture(70, 90, 1), _picture(70, 90, 3), _picture(60, 80, 2)
    of = "content" if isinstance(loss, SelfSimilarity) else "style"
    objective = (FeatureMapTerm("relu2_1", loss, 1.0, "relu2_1", of=of),)  # type: ignore[arg-type]
    plain = autograd_evaluation(network, objective, [1.0])(lambda: content, [lambda: style])
    ours = tiled(network, objective, [1.0], tile=32)(lambda: content, [lambda: style])
    losses = [plain(x, sample_index=sample_index).loss for sample_index in range(4)]
    assert len(set(losses)) == 4
    for sample_index, loss_then in enumerate(losses):
        again = ours(x, sample_index=sample_index)
        assert again.loss == pytest.approx(loss_then, rel=1e-12)
        gradient = plain(x, sample_index=sample_index).gradient
        assert float((again.gradient - gradient).abs().max()) < 1e-12 * float(gradient.abs().max())


@pytest.mark.parametrize("tile", [0, 48])
def test_content_that_is_not_kept_is_computed_again(thin: Convolutions, tile: int) -> None:
    network = VGG(thin).to(dtype=torch.float64)
    two = (ContentTerm("relu2_2", mean, 1.0), ContentTerm("relu4_2", share, 1.0))
    for objective in (_objective(), two):
        _same(network, network, objective, (101, 90), tile=tile, content_bytes=100)


@pytest.mark.parametrize("kind", [absolute_mean, absolute_sum, nine_point])
@pytest.mark.parametrize("rows", [1, 3, 100])
def test_smoothness_by_bands(kind: TotalVariation, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tiles._BAND, "cpu", rows * 13)
    x = _picture(20, 13, 1, 2)
    objective = (SmoothnessTerm(kind, 2.0),)
    plain = autograd_evaluation(lambda image, layers: {}, objective, [1.0])(lambda: x, [lambda: x])(x)
    ours = tiled(None, objective, [1.0])(lambda: x, [lambda: x])(x)  # type: ignore[arg-type]  # no term needs a network
    assert ours.loss == pytest.approx(plain.loss, rel=1e-12)
    torch.testing.assert_close(ours.gradient, plain.gradient)


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_photorealism_by_bands(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tiles._BAND, "cpu", rows * 13)
    x, content = 255 * _picture(20, 13, 1, 2), _picture(20, 13, 2)
    objective = (PhotoTerm(Matting(2), 2.0),)
    plain = autograd_evaluation(lambda image, layers: {}, objective, [1.0], 255.0)(
        lambda: content, [lambda: content]
    )(x)
    ours = tiled(None, objective, [1.0], 255.0)(lambda: content, [lambda: content])(x)  # type: ignore[arg-type]  # as above
    assert ours.loss == pytest.approx(plain.loss, rel=1e-12)
    torch.testing.assert_close(ours.gradient, plain.gradient)


class Cramped:
    """A network on a device that has no room for pictures beyond so many pixels."""

    def __init__(self, network: VGG, pixels: int) -> None:
        self._network, self._pixels = network, pixels
        self.refused = 0

    def stream(self, layers: object) -> object:
        stream, outer = self._network.stream(layers), self  # type: ignore[arg-type]

        class Refusing:
            def __getattr__(self, name: str) -> object:
                return getattr(stream, name)

            def forward(self, image: Tensor, *rest: object, **options: object) -> object:
                if image.shape[-2] * image.shape[-1] > outer._pixels:
                    outer.refused += 1
                    raise torch.OutOfMemoryError("CUDA out of memory")
                return stream.forward(image, *rest, **options)  # type: ignore[arg-type]

        return Refusing()


def test_too_little_memory_takes_smaller_tiles(thin: Convolutions) -> None:
    network = VGG(thin).to(dtype=torch.float64)
    cramped = Cramped(network, 500 * 500)
    _same(network, cramped, _objective(), (400, 700))  # type: ignore[arg-type]
    assert cramped.refused
    with pytest.raises(torch.OutOfMemoryError):
        _same(network, Cramped(network, 10_000), _objective(), (400, 700))  # type: ignore[arg-type]


@pytest.mark.processor
def test_several_pictures_at_once(thin: Convolutions) -> None:
    network = VGG(thin).to(dtype=torch.float64)
    for strip, tile in ((0, 0), (1, 0), (0, 64)):
        _same(network, Stripped(network, strip), _objective(), (90, 110), tile=tile, count=3)  # type: ignore[arg-type]


@pytest.mark.processor
@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(torch.bfloat16, marks=BFLOAT16)], ids=str)
def test_the_real_network_in_the_types_it_runs_in(convolutions: Convolutions, dtype: torch.dtype) -> None:
    """float32 to rounding; bfloat16 nearly as near to float64 as autograd's bfloat16 is.

    Where two values under a pooling are equal to rounding, either may be the larger one, and the gradient goes there:
    autograd's float32 is 0.0005 off as well on photographs, by a few such pixels.
    """
    content, style, x = (_picture(96, 120, seed).float() for seed in (1, 2, 3))
    network = VGG(convolutions).to(dtype=torch.float64)
    true = autograd_evaluation(network, _objective(), [1.0])(
        lambda: content.double(), [lambda: style.double()]
    )(x.double())
    wanted = true.gradient.float()
    loss, few = {torch.float32: (1e-5, 1e-3), torch.bfloat16: (0.01, 0.0)}[dtype]
    network.to(dtype=dtype)
    plain = autograd_evaluation(network, _objective(), [1.0])(lambda: content, [lambda: style])(x)
    for tile in (0, 48):
        ours = tiled(network, _objective(), [1.0], tile=tile)(lambda: content, [lambda: style])(x)
        assert ours.loss == pytest.approx(true.loss, rel=loss)
        assert _off(ours.gradient, wanted) < few + 1.6 * _off(plain.gradient, wanted)


def _off(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("pooling", ["average", "max-blur"])
def test_reach_is_the_receptive_field(thin: Convolutions, pooling: Pooling) -> None:
    """No pixel farther than ``reach`` from a feature's own square changes it, and one at that distance does."""
    network = VGG(thin, pooling=pooling).to(dtype=torch.float64)
    for layer in ("relu1_1", "relu3_1", "pool2", "relu5_1"):
        stream = network.stream([layer])
        stride = stream.stride(layer)
        at = 128 // stride
        image = _picture(272, 8 * 16, 5).requires_grad_()
        features = network(image, [layer])[layer][:, :, at]
        (gradient,) = torch.autograd.grad(features.square().sum(), image)
        rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
        before, after = 128 - int(rows[0]), int(rows[-1]) - (128 + stride - 1)
        assert max(before, after) <= stream.reach <= max(before, after) + 1


def test_unknown_layer_and_small_picture(thin: Convolutions) -> None:
    network = VGG(thin).to(dtype=torch.float64)
    with pytest.raises(ParameterError, match="relu9_1"):
        network.stream(["relu9_1"])
    with pytest.raises(ParameterError, match="at least 16 pixels"):
        network.stream(["relu5_1"]).forward(_picture(15, 40, 0), lambda *_: None)


def test_layer_names_are_those_of_the_network(thin: Convolutions) -> None:
    """Every layer can be streamed alone, and is what the network says."""
    network = VGG(thin).to(dtype=torch.float64)
    image = _picture(40, 36, 6)
    for layer in layer_names(ARCHITECTURES["vgg19"].convolutions):
        seen: list[Tensor] = []
        stream = network.stream([layer], strip=1)
        stream.forward(image, lambda name, features, first, seen=seen: seen.append(features.clone()))  # type: ignore[misc]
        torch.testing.assert_close(torch.cat(seen, 2), network(image, [layer])[layer])
