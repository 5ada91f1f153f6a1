"""VGG: layers, cutting, pooling, padding, and what it refuses."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.encoders.vgg import POOLINGS, VGG, layer_names, smallest_side
from impasto.encoders.weights import Convolutions
from impasto.errors import ParameterError

pytestmark = pytest.mark.processor


def _image(height: int = 40, width: int = 52) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


def _vgg(convolutions: Convolutions, **options: object) -> VGG:
    return VGG(convolutions, **options).to(dtype=torch.float32)  # type: ignore[arg-type]


def test_names() -> None:
    names = layer_names((2, 2, 4, 4, 4))
    assert names[:5] == ("conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1")
    assert len(names) == 16 * 2 + 5
    assert smallest_side(names, ["relu1_1"]) == 1
    assert smallest_side(names, ["relu4_2", "relu1_1"]) == 8
    assert smallest_side(names, ["relu5_1"]) == 16


def test_is_the_plain_network(convolutions: Convolutions) -> None:
    """A twin written out with torch's own layers."""
    image = _image()
    x = image * 255 - torch.tensor(convolutions.mean).view(1, 3, 1, 1)
    wanted = {}
    for name in layer_names((2, 2, 4, 4, 4)):
        if name.startswith("conv"):
            x = F.conv2d(x, convolutions.kernels[name], convolutions.biases[name], padding=1)
        else:
            x = F.relu(x) if name.startswith("relu") else F.max_pool2d(x, 2)
        wanted[name] = x
    ours = _vgg(convolutions)(image, list(wanted))
    for name, features in wanted.items():
        torch.testing.assert_close(ours[name], features, rtol=1e-4, atol=1e-2)


def test_conv_and_relu_are_different_layers(convolutions: Convolutions) -> None:
    features = _vgg(convolutions)(_image(), ["conv4_2", "relu4_2"])
    assert float(features["conv4_2"].min()) < 0
    assert torch.equal(features["relu4_2"], F.relu(features["conv4_2"]))


def test_cut_at_the_deepest_layer(convolutions: Convolutions) -> None:
    vgg = _vgg(convolutions)
    shallow, deep = vgg(_image(), ["relu2_1"]), vgg(_image(), ["relu2_1", "relu5_4"])
    assert set(shallow) == {"relu2_1"}
    assert torch.equal(shallow["relu2_1"], deep["relu2_1"])
    # So small a picture has no pixel left behind the fifth block, and needs none.
    assert vgg(_image(4, 4), ["relu3_1"])["relu3_1"].shape == (1, 256, 1, 1)


@pytest.mark.parametrize(("pooling", "expected"), [("average", F.avg_pool2d), ("l2", F.lp_pool2d)])
def test_other_poolings_are_rescaled(convolutions: Convolutions, pooling: str, expected: object) -> None:
    # A smooth picture: on white noise the ratio would be that of noise.
    image = F.interpolate(_image(6, 8), (96, 128), mode="bicubic", align_corners=False).clamp(0, 1)
    features = _vgg(convolutions, pooling=pooling)(image, ["relu1_2", "pool1", "relu5_1"])
    largest = _vgg(convolutions)(image, ["pool1", "relu5_1"])
    plain = (
        F.avg_pool2d(features["relu1_2"], 2)
        if pooling == "average"
        else F.lp_pool2d(features["relu1_2"], 2.0, 2)
    )
    factor = float(features["pool1"].sum() / plain.sum())
    torch.testing.assert_close(features["pool1"], plain * factor)
    assert factor == pytest.approx(1.34 if pooling == "average" else 0.62, rel=1e-4)
    for layer in ("pool1", "relu5_1"):
        assert 0.4 < float(features[layer].mean() / largest[layer].mean()) < 2.5


def test_max_blur_is_what_zhang_calls_max_blur_pool(convolutions: Convolutions) -> None:
    """A twin with one blur kernel [1 2 1] / 4 both ways; the mean stays, so nothing is rescaled."""
    features = _vgg(convolutions, pooling="max-blur")(_image(41, 52), ["relu1_2", "pool1"])
    maxima = F.max_pool2d(features["relu1_2"], 2, 1, padding=1)
    line = torch.tensor([0.25, 0.5, 0.25])
    kernel = (line[:, None] * line).expand(64, 1, 3, 3)
    torch.testing.assert_close(features["pool1"], F.conv2d(maxima, kernel, stride=2, groups=64))
    plain = _vgg(convolutions)(_image(41, 52), ["pool1"])["pool1"]
    assert features["pool1"].shape == plain.shape
    assert float(features["pool1"].mean() / plain.mean()) == pytest.approx(1.0, abs=0.03)


def test_max_blur_minds_less_where_the_grid_lies(convolutions: Convolutions) -> None:
    """A picture moved by a pixel: how far the Gram matrix of a layer moves."""
    image = F.interpolate(_image(18, 20), (72, 80), mode="bicubic", align_corners=False).clamp(0, 1)

    def moved(pooling: str) -> float:
        here, there = (
            _vgg(convolutions, pooling=pooling)(image[..., at : at + 64, at : at + 64], ["relu3_1"])[
                "relu3_1"
            ]
            for at in (0, 1)
        )
        grams = [
            points @ points.T for points in (each[0, :, 3:-3, 3:-3].flatten(1) for each in (here, there))
        ]
        return float((grams[1] - grams[0]).norm() / grams[0].norm())

    assert moved("max-blur") < 0.75 * moved("max")


@pytest.mark.parametrize("padding", ["replicate", "reflect"])
def test_paddings(convolutions: Convolutions, padding: str) -> None:
    features = _vgg(convolutions, padding=padding)(_image(), ["conv1_1", "relu1_1", "conv1_2"])
    padded = F.pad(features["relu1_1"], (1, 1, 1, 1), mode=padding)
    wanted = F.conv2d(padded, convolutions.kernels["conv1_2"], convolutions.biases["conv1_2"])
    torch.testing.assert_close(features["conv1_2"], wanted, rtol=1e-4, atol=1e-2)
    zero = _vgg(convolutions)(_image(), ["conv1_1"])["conv1_1"]
    inner = (..., slice(1, -1), slice(1, -1))
    assert torch.equal(zero[inner], features["conv1_1"][inner])
    assert not torch.equal(zero, features["conv1_1"])


def test_padding_of_the_first_convolution_alone(convolutions: Convolutions) -> None:
    first, every = (
        _vgg(convolutions, padding=padding)(_image(), ["conv1_1", "relu1_1", "conv1_2"])
        for padding in ("replicate-first", "replicate")
    )
    assert torch.equal(first["conv1_1"], every["conv1_1"])
    wanted = F.conv2d(
        first["relu1_1"], convolutions.kernels["conv1_2"], convolutions.biases["conv1_2"], padding=1
    )
    torch.testing.assert_close(first["conv1_2"], wanted, rtol=1e-4, atol=1e-2)


def test_a_single_row_is_repeated_where_it_cannot_be_mirrored(convolutions: Convolutions) -> None:
    """So that reflection needs no larger picture than the other paddings do."""
    image = _image(1, 12)
    found = _vgg(convolutions, padding="reflect")(image, ["conv1_1"])["conv1_1"]
    three = _vgg(convolutions, padding="reflect")(image.expand(1, 3, 3, 12), ["conv1_1"])["conv1_1"]
    torch.testing.assert_close(found, three[:, :, 1:2], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_what_features_see_of_a_mask(convolutions: Convolutions, pooling: str) -> None:
    """All of it where it is whole; and the same of it when all is mirrored."""
    vgg, layers = _vgg(convolutions, pooling=pooling), ["relu1_1", "pool1", "relu3_1", "relu5_1"]
    for seen in vgg.propagate_mask(torch.ones(1, 1, 48, 64), layers).values():
        torch.testing.assert_close(seen, torch.ones_like(seen))
    mask = _image(48, 64)[:, :1].round()
    features = vgg(_image(48, 64), layers)
    for layer, seen in vgg.propagate_mask(mask, layers).items():
        assert seen.shape[-2:] == features[layer].shape[-2:]
        torch.testing.assert_close(seen.flip(3), vgg.propagate_mask(mask.flip(3), [layer])[layer])


def test_a_batch_is_its_pictures(convolutions: Convolutions) -> None:
    vgg = _vgg(convolutions)
    one, other = _image(), 1 - _image()
    together = vgg(torch.cat([one, other]), ["relu3_1"])["relu3_1"]
    torch.testing.assert_close(together[1:], vgg(other, ["relu3_1"])["relu3_1"], rtol=1e-4, atol=1e-2)


def test_bfloat16_is_close(convolutions: Convolutions) -> None:
    exact = _vgg(convolutions)(_image(), ["relu4_1"])["relu4_1"]
    rough = VGG(convolutions).to(dtype=torch.bfloat16)(_image(), ["relu4_1"])["relu4_1"]
    assert rough.dtype == torch.bfloat16
    assert float((rough.float() - exact).norm() / exact.norm()) < 0.03


def test_the_mean_pixel_can_be_chosen(convolutions: Convolutions) -> None:
    shifted = _vgg(convolutions, mean=(100.0, 100.0, 100.0))(_image(), ["conv1_1"])["conv1_1"]
    image = _image() + (torch.tensor(convolutions.mean) - 100).view(1, 3, 1, 1) / 255
    torch.testing.assert_close(
        shifted, _vgg(convolutions)(image, ["conv1_1"])["conv1_1"], rtol=1e-4, atol=1e-2
    )


def test_refusals(convolutions: Convolutions) -> None:
    vgg = _vgg(convolutions)
    with pytest.raises(ParameterError, match=r"at least 16 pixels on each side for layer relu5_1, got 60x15"):
        vgg(_image(15, 60), ["relu1_1", "relu5_1"])
    with pytest.raises(ParameterError, match="did you mean 'relu4_2'"):
        vgg(_image(), ["relu42"])
    with pytest.raises(ParameterError, match="pooling: unknown name 'avg'"):
        _vgg(convolutions, pooling="avg")
    with pytest.raises(ParameterError, match="padding: unknown name 'reflection'"):
        _vgg(convolutions, padding="reflection")
