"""Laws of regions: exact however the picture is cut, and what they come to in the plain cases."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from impasto.encoders.vgg import VGG
from impasto.encoders.weights import Convolutions
from impasto.engine.evaluation import autograd_evaluation
from impasto.engine.regions import Region, Regions
from impasto.engine.tiling.gradient import tiled
from impasto.losses.content import share
from impasto.losses.gram import Gram
from impasto.losses.histogram import Histogram
from impasto.losses.mean_deviation import MeanDeviation
from impasto.losses.newton_schulz import NewtonSchulzWasserstein
from impasto.losses.objective import (
    ContentTerm,
    FeatureMapLoss,
    FeatureMapTerm,
    Objective,
    StyleLoss,
    StyleTerm,
)
from impasto.losses.patches import Patches
from impasto.losses.relaxed_transport import RelaxedTransport
from impasto.losses.sliced_wasserstein import SlicedWasserstein
from impasto.losses.wasserstein import Gaussian
from tests.engine.tiling.test_gradient import Stripped, _picture, thin

__all__ = ["thin"]
SIZE = (101, 133)
LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")


def _mask(height: int, width: int, seed: int) -> Tensor:
    """Blots with soft edges."""
    rough = torch.rand(1, 1, 4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    smooth = torch.nn.functional.interpolate(rough, (height, width), mode="bicubic", align_corners=False)
    return (3 * smooth - 1).clamp(0, 1)


def _halves(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    left = torch.zeros(1, 1, *size, dtype=torch.float64)
    left[..., : size[1] // 2] = 1.0
    return left, 1.0 - left


WHOLE = [Histogram(), SlicedWasserstein(), RelaxedTransport(max_pixels=20_000), Patches(max_patches=60)]


def _objective(loss: StyleLoss | FeatureMapLoss, *regions: str, content: float = 1.0) -> Objective:
    def term(layer: str, region: str) -> StyleTerm | FeatureMapTerm:
        if isinstance(loss, StyleLoss):
            return StyleTerm(layer, loss, 0.3, layer, region=region)
        return FeatureMapTerm(layer, loss, 0.3, layer, region=region)

    return (
        ContentTerm("relu4_2", share, content),
        *(term(layer, name) for name in regions for layer in LAYERS),
    )


@pytest.mark.parametrize(
    "loss",
    [Gram(reduce="share"), MeanDeviation(), Gaussian(), NewtonSchulzWasserstein(), *WHOLE],
    ids=lambda loss: type(loss).__name__,
)
@pytest.mark.parametrize(("strip", "tile"), [(0, 0), (1, 0), (0, 48), (1, 64)])
def test_cut_is_whole(thin: Convolutions, loss: StyleLoss | FeatureMapLoss, strip: int, tile: int) -> None:
    network = VGG(thin).to(dtype=torch.float64)
    content, styles = _picture(*SIZE, 1), [_picture(50, 80, 2), _picture(64, 47, 3)]
    regions = Regions(
        {
            "sky": Region(_mask(60, 70, 1), (1.0, 0.0), (_mask(25, 40, 2), None)),
            "sea": Region(_mask(*SIZE, 3), (0.3, 0.7), (None, _mask(64, 47, 4))),
        },
        network.propagate_mask,
    )
    objective = (*_objective(loss, "sky", "sea"), StyleTerm("relu2_1", Gram(), 0.1, "relu2_1"))
    x = _picture(*SIZE, 4) * 255
    plain, ours = (
        prepare(lambda: content, [lambda s=s: s for s in styles])(x)
        for prepare in (
            autograd_evaluation(network, objective, [0.5, 0.5], 255.0, regions),
            tiled(Stripped(network, strip), objective, [0.5, 0.5], 255.0, tile=tile, regions=regions),  # type: ignore[arg-type]
        )
    )
    assert ours.terms == pytest.approx(dict(plain.terms), rel=1e-10)
    torch.testing.assert_close(
        ours.gradient, plain.gradient, rtol=1e-7, atol=1e-11 * float(plain.gradient.abs().max())
    )


@pytest.mark.parametrize("loss", [Gram(reduce="share"), *WHOLE], ids=lambda loss: type(loss).__name__)
def test_the_gradient_is_that_of_the_values(thin: Convolutions, loss: StyleLoss | FeatureMapLoss) -> None:
    network = VGG(thin, pooling="average").to(dtype=torch.float64)
    content, style = _picture(32, 36, 1), _picture(30, 40, 2)
    regions = Regions({"sky": Region(_mask(32, 36, 1), (1.0,), (_mask(30, 40, 2),))}, network.propagate_mask)
    evaluate = tiled(network, _objective(loss, "sky"), [1.0], tile=16, regions=regions)(
        lambda: content, [lambda: style]
    )
    x, step = _picture(32, 36, 3), _picture(32, 36, 4) - 0.5
    slope = float((evaluate(x).gradient * step).sum())
    difference = (evaluate(x + 1e-6 * step).loss - evaluate(x - 1e-6 * step).loss) / 2e-6
    assert slope == pytest.approx(difference, rel=1e-4)


@pytest.mark.parametrize("loss", [Gram(reduce="share"), *WHOLE], ids=lambda loss: type(loss).__name__)
def test_two_half_masks_of_one_style_are_no_mask(
    thin: Convolutions, loss: StyleLoss | FeatureMapLoss
) -> None:
    network = VGG(thin).to(dtype=torch.float64)
    content, style, x = _picture(*SIZE, 1), _picture(50, 80, 2), _picture(*SIZE, 3)
    half = Region(torch.full((1, 1, *SIZE), 0.5, dtype=torch.float64), (1.0,), (None,))
    regions = Regions({"one": half, "other": half}, network.propagate_mask)
    plain = tiled(network, _objective(loss, ""), [1.0])(lambda: content, [lambda: style])(x)
    both = tiled(network, _objective(loss, "one", "other"), [1.0], regions=regions)(
        lambda: content, [lambda: style]
    )(x)
    assert both.loss == pytest.approx(plain.loss, rel=1e-12)
    torch.testing.assert_close(both.gradient, plain.gradient)


@pytest.mark.parametrize("loss", [Gram(reduce="share"), *WHOLE], ids=lambda loss: type(loss).__name__)
def test_a_mask_of_everything_is_no_mask(thin: Convolutions, loss: StyleLoss | FeatureMapLoss) -> None:
    network = VGG(thin).to(dtype=torch.float64)
    content, style, x = _picture(*SIZE, 1), _picture(50, 80, 2), _picture(*SIZE, 3)
    ones = torch.ones(1, 1, 7, 9, dtype=torch.float64)
    regions = Regions({"all": Region(ones, (1.0,), (ones,))}, network.propagate_mask)
    plain = tiled(network, _objective(loss, ""), [1.0])(lambda: content, [lambda: style])(x)
    masked = tiled(network, _objective(loss, "all"), [1.0], regions=regions)(
        lambda: content, [lambda: style]
    )(x)
    assert masked.loss == pytest.approx(plain.loss, rel=1e-12)
    torch.testing.assert_close(masked.gradient, plain.gradient)


def test_a_style_mask_takes_that_part_of_the_style(thin: Convolutions) -> None:
    """Half of a style picture, far from the other half, is that half as a picture of its own, but for the border."""
    network = VGG(thin).to(dtype=torch.float64)
    left, right = _picture(64, 64, 1), _picture(64, 64, 2) ** 3
    both = torch.cat([left.repeat(1, 1, 1, 3), right.repeat(1, 1, 1, 3)], 3)
    mask = torch.zeros(1, 1, 64, 384, dtype=torch.float64)
    mask[..., :128] = 1.0
    x = 0.2 * _picture(64, 64, 3)
    objective = (StyleTerm("relu2_1", Gram(reduce="share"), 1.0, "relu2_1", region="all"),)

    def loss(style: Tensor, style_mask: Tensor | None) -> float:
        ones = torch.ones(1, 1, 64, 64, dtype=torch.float64)
        regions = Regions({"all": Region(ones, (1.0,), (style_mask,))}, network.propagate_mask)
        return tiled(network, objective, [1.0], regions=regions)(lambda: x, [lambda: style])(x).loss

    wanted, other = loss(left.repeat(1, 1, 1, 2), None), loss(both, None)
    assert abs(loss(both, mask) - wanted) < 0.1 * abs(other - wanted)


@pytest.mark.parametrize("loss", [Gram(reduce="share"), *WHOLE], ids=lambda loss: type(loss).__name__)
def test_outside_of_a_region_nothing_pulls(thin: Convolutions, loss: StyleLoss | FeatureMapLoss) -> None:
    network = VGG(thin).to(dtype=torch.float64)
    content, style, x = _picture(64, 256, 1), _picture(50, 80, 2), _picture(64, 256, 3)
    left, _ = _halves((64, 256))
    regions = Regions({"left": Region(left, (1.0,), (None,))}, network.propagate_mask)
    objective = _objective(loss, "left", content=0.0)[1:]
    gradient = tiled(network, objective, [1.0], regions=regions)(lambda: content, [lambda: style])(x).gradient
    stream = network.stream(LAYERS)
    reach = stream.reach + stream.deepest_stride  # of the mask, and then of the gradient
    assert not gradient[..., 128 + 2 * reach :].any()
    assert gradient[..., :128].abs().mean() > 0


def test_masks_are_seen_as_features_see(thin: Convolutions) -> None:
    network = VGG(thin).to(dtype=torch.float64)
    left, _ = _halves(SIZE)
    seen = network.propagate_mask(left, LAYERS)
    features = network(_picture(*SIZE, 1), LAYERS)
    for layer in LAYERS:
        assert seen[layer].shape[2:] == features[layer].shape[2:]
        row = seen[layer][0, 0, 5]
        assert row[0] == 1 and row[-1] == 0
        assert (row.diff() <= 1e-12).all()
        middle = SIZE[1] // 2 // network.stream([layer]).stride(layer)
        assert row[middle - 1] > 0.5 > row[middle + 1]
    widths = [
        int(((seen[layer][0, 0, 5] > 0.01) & (seen[layer][0, 0, 5] < 0.99)).sum()) * stride
        for layer, stride in zip(LAYERS, (1, 2, 4, 8), strict=True)
    ]
    assert widths == sorted(widths) and widths[0] < widths[-1], "deep features see farther"


@pytest.mark.parametrize("loss", [Histogram(), SlicedWasserstein(), RelaxedTransport()], ids=str)
def test_within_a_guide_is_of_those_pixels_alone(loss: FeatureMapLoss) -> None:
    """Two pictures side by side, and a guide over one of them, are that one."""
    one, other, style = (_features(number) for number in range(3))
    guide = torch.cat([torch.full((1, 1, 8, 9), 0.3), torch.full((1, 1, 8, 9), 0.1)], 3).double()
    both = torch.cat([one, other], 3)
    torch.testing.assert_close(
        loss(both, loss.make_target(style), 1, guide), loss(one, loss.make_target(style), 1)
    )
    torch.testing.assert_close(
        loss(style, loss.make_target(both, guide), 1), loss(style, loss.make_target(one), 1)
    )


def test_patches_within_a_guide_are_those_whose_middle_is() -> None:
    loss = Patches()
    both = torch.cat([_features(1), _features(2)], 3)
    guide = torch.zeros(1, 1, 8, 18, dtype=torch.float64)
    guide[..., :9] = 1.0
    # The middles within the left half see one column more.
    torch.testing.assert_close(loss.make_target(both, guide), loss.make_target(both[..., :10]))
    style = loss.make_target(_features(3))
    torch.testing.assert_close(loss(both, style, 0, guide), loss(both[..., :10], style, 0))


def _features(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 6, 8, 9, dtype=torch.float64, generator=generator)


def test_a_margin_is_guided_as_what_it_mirrors(thin: Convolutions) -> None:
    network, margin = VGG(thin).to(dtype=torch.float64), 16
    objective = _objective(Gram(), "part", content=0.0)
    mask = _mask(64, 96, 3)
    plain = Regions({"part": Region(mask, (1.0,), (None,))}, network.propagate_mask).guides(
        objective, (64, 96)
    )
    wide = Regions({"part": Region(mask, (1.0,), (None,))}, network.propagate_mask, margin).guides(
        objective, (96, 128)
    )
    for name, guide in plain.items():
        stride = 64 // guide.shape[-2]
        beyond = margin // stride
        inner = wide[name][..., beyond:-beyond, beyond:-beyond]
        assert inner.shape == guide.shape
        middle = (..., slice(40 // stride, 48 // stride), slice(40 // stride, 56 // stride))
        torch.testing.assert_close(inner[middle], guide[middle], rtol=0.0, atol=1e-3)  # they see far
