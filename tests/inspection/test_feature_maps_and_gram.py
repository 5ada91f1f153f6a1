"""Feature maps, Gram matrices and colours: what is shown is what is there."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from torch import Tensor

from impasto.color import oklab
from impasto.errors import ImageError, ParameterError
from impasto.figures.colormaps import balance, glow
from impasto.inspection import feature_maps
from impasto.inspection.feature_extractor import FeatureExtractor
from impasto.inspection.feature_maps import Channel, channels, feature_grid, feature_sheet
from impasto.inspection.gram import gram, gram_distance, gram_picture, gram_sheet, order, top
from impasto.inspection.judge import Judge
from tests.conftest import TinyNetwork
from tests.inspection.test_judge import picture


def random_features(channels: int = 12, *, signed: bool = False) -> Tensor:
    values = torch.randn(channels, 9, 11, generator=torch.Generator().manual_seed(channels))
    return values if signed else values.relu()


def lightness(colours: Tensor) -> Tensor:
    return oklab(colours.T[None, :, None])[0, 0, 0]


def seen(colours: Callable[[Tensor], Tensor], value: float) -> list[int]:
    return [round(255 * band) for band in colours(torch.tensor([value]))[0].tolist()]


# --- colours ------------------------------------------------------------------------------------------------


def test_lightness_follows_the_number_in_a_straight_line() -> None:
    found = lightness(glow(torch.linspace(0.0, 1.0, 1001)))
    straight = torch.linspace(float(found[0]), float(found[-1]), 1001, dtype=torch.float64)
    assert float((found - straight).abs().max()) < 0.01
    assert float(found[-1] - found[0]) > 0.8


def test_both_signs_are_as_dark_and_differ_in_hue() -> None:
    at = torch.linspace(0.0, 1.0, 101)
    more, less = balance(at), balance(-at)
    assert float((lightness(more) - lightness(less)).abs().max()) < 0.01
    assert (more[20:, 0] > more[20:, 2] + 0.05).all()
    assert (less[20:, 2] > less[20:, 0] + 0.05).all()
    assert float(balance(torch.zeros(1)).std(1)) < 0.01  # nothing is grey


@pytest.mark.parametrize("colours", [glow, balance])
def test_what_is_outside_counts_as_the_nearest_end(colours: Callable[[Tensor], Tensor]) -> None:
    ends = colours(torch.tensor([-1.0, 1.0]) if colours is balance else torch.tensor([0.0, 1.0]))
    assert torch.equal(colours(torch.tensor([-7.0, 9.0])), ends)
    assert colours(torch.zeros(2, 3)).shape == (2, 3, 3)


# --- channels -----------------------------------------------------------------------------------------------


def test_channels_in_numbers() -> None:
    features = random_features()
    features[3] = 0.0
    features[5] *= 100.0
    found = channels(features)
    assert [found[0].number, found[-1].number] == [5, 3]
    assert sorted(each.number for each in found) == list(range(12))
    assert found[-1] == Channel(3, 0.0, 0.0, 1.0)
    for each in found:
        values = features[each.number].flatten().tolist()
        assert each.mean == pytest.approx(sum(values) / len(values), rel=1e-5)
        assert each.maximum == max(values)
        assert each.zeros == pytest.approx(values.count(0.0) / len(values))


def test_a_grid_shows_the_strongest_where_they_are() -> None:
    features = torch.zeros(5, 4, 4)
    features[2, 1, 3] = 8.0
    features[4, 0, 0] = 3.0
    grid = feature_grid(features, count=2, cell=32)
    # Two cells of 32 pixels, 8 a value, with a gap of 8 around them, a line of text below and a key above.
    brightest, darkest = ((glow(torch.tensor([v])) * 255).round().int().tolist()[0] for v in (1.0, 0.0))
    top = grid.height - 8 - 17 - 32
    row = [list(grid.getpixel((x, top + 12))) for x in range(grid.width)]
    first = row.index(darkest)
    assert row[first + 24 : first + 32] == [brightest] * 8  # channel 2
    assert row.count(brightest) == 8  # channel 4 is bright in its first row only
    count = len(feature_sheet(["a"], "x", {"a": features}, count=9).tobytes())
    assert count > len(grid.tobytes())


def test_negative_values_are_blue() -> None:
    grid = feature_grid(torch.tensor([[[-1.0, 1.0]]]), cell=64)
    middle = grid.height - 8 - 17 - 16
    red, _, blue = grid.getpixel((8 + 16, middle))
    assert blue > red
    red, _, blue = grid.getpixel((8 + 48, middle))
    assert red > blue


def test_a_grid_says_what_its_labels_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: dict[str, object] = {}
    original = feature_maps.contact_sheet

    def contact_sheet(rows: Any, **options: Any) -> PIL.Image.Image:
        shown.update(options)
        return original(rows, **options)

    monkeypatch.setattr(feature_maps, "contact_sheet", contact_sheet)
    features = torch.zeros(3, 4, 4)
    features[1] = 208.0
    feature_grid(features)
    assert str(shown["note"]).startswith("1: 208 = channel 1, maximum 208.")


# --- Gram matrices ------------------------------------------------------------------------------------------


def test_an_order_puts_together_what_occurs_together() -> None:
    generator = torch.Generator().manual_seed(0)
    causes = (
        torch.rand(3, 1, 200, generator=generator)
        * (torch.arange(200) % 3 == torch.arange(3)[:, None])[:, None]
    )
    mixed = torch.randperm(12, generator=generator)
    features = (causes.repeat_interleave(4, 0) * (0.5 + torch.rand(12, 1, 1, generator=generator)))[mixed]
    features += 0.02 * torch.rand(12, 1, 200, generator=generator)
    found = order(gram(features))
    groups = (mixed[found] // 4).tolist()
    assert sorted(found.tolist()) == list(range(12))
    assert sum(one != other for one, other in itertools.pairwise(groups)) == 2


def test_an_order_of_channels_that_are_nothing() -> None:
    features = random_features(6)
    features[2] = features[4] = 0.0
    assert set(order(gram(features))[-2:].tolist()) == {2, 4}
    assert order(torch.zeros(4, 4)).tolist() == [0, 1, 2, 3]
    assert order(torch.ones(1, 1)).tolist() == [0]


def test_a_gram_matrix_forgets_where() -> None:
    features = random_features()
    shuffled = features.flatten(1)[:, torch.randperm(99, generator=torch.Generator().manual_seed(1))]
    torch.testing.assert_close(gram(shuffled.view(12, 11, 9)), gram(features))
    flat = features.flatten(1)
    torch.testing.assert_close(gram(features), flat @ flat.T / 99)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("channels", [1, 12, 80])
def test_a_gram_picture_is_the_matrix_and_a_bar(channels: int, signed: bool) -> None:
    matrix = gram(random_features(channels, signed=signed))
    shown = gram_picture(matrix, side=120)
    colours = balance if bool((matrix < 0).any()) else glow
    assert shown.width > 120 + 14
    assert shown.height == 132
    assert list(shown.getpixel((120 + 12 + 7, 6))) == seen(colours, 1.0)  # the bar's upper end
    if channels == 12:  # each value is 10 pixels wide
        at = matrix.sign() * (matrix.abs() / top(matrix)).sqrt()
        for row, column in ((0, 0), (3, 7), (11, 2)):
            found = list(shown.getpixel((10 * column + 5, 6 + 10 * row + 5)))
            assert found == seen(colours, float(at[row, column]))


def test_nothing_at_all_has_a_picture_too() -> None:
    assert gram_picture(torch.zeros(8, 8), side=32).height >= 32
    assert feature_grid(torch.zeros(8, 3, 3)).height > 32


def test_a_sheet_of_two_pictures_has_their_difference() -> None:
    features = {"a": random_features()}
    alone = gram_sheet(["a"], [("one", features)], side=120)
    both = gram_sheet(["a"], [("one", features), ("same", features)], side=120)
    assert both.width > 2 * alone.width
    third = [at for at in range(0, both.width, 4) if list(both.getpixel((at, 90))) == seen(balance, 0.0)]
    assert len(third) >= 29  # a picture and itself do not differ, anywhere along 120 pixels
    assert min(third) > 2 * both.width // 3 - 60


def test_distances_are_the_style_losses(loaded_once: None) -> None:
    one, other, layers = picture(1), picture(2), ("relu1_1", "relu3_1")
    extractor = FeatureExtractor(layers)
    features = [extractor.features(extractor.read(each, 0)) for each in (one, other)]
    for style_loss, field in (("gram", "mean"), ("gram-share", "share")):
        options = {"style_layers": dict.fromkeys(layers, 1.0), "content_weight": 0.0, "style_weight": 1.0}
        judged = Judge(one, other, style_loss=style_loss, **options)(one)
        for term, layer in zip(judged.terms, layers, strict=True):
            found = gram_distance(layer, features[0][layer], features[1][layer])
            assert getattr(found, field) == pytest.approx(term.value, rel=1e-4)


# --- the feature extractor ----------------------------------------------------------------------------------


def test_a_network_of_ones_own() -> None:
    class Network(TinyNetwork):
        def to(self, **options: object) -> Network:
            return self

    extractor = FeatureExtractor(["relu2", "relu1"], encoder=Network())
    features = extractor.features(extractor.read(picture(1), 24))
    assert {layer: tuple(maps_.shape) for layer, maps_ in features.items()} == {
        "relu2": (5, 9, 12),
        "relu1": (4, 18, 24),
    }
    assert list(features) == ["relu2", "relu1"]


def test_what_was_done_to_a_picture_is_noted(tmp_path: Path) -> None:
    PIL.Image.new("RGBA", (20, 20), (255, 0, 0, 100)).save(tmp_path / "clear.png")
    extractor = FeatureExtractor(["relu1_1"])
    extractor.read(tmp_path / "clear.png", 0)
    assert any(note.startswith("clear.png: ") for note in extractor.notes)


def test_what_is_refused() -> None:
    with pytest.raises(ParameterError, match="did you mean 'relu2_1'"):
        FeatureExtractor(["relu2_11"])
    with pytest.raises(ParameterError, match="one or more, each once, got relu1_1, relu1_1"):
        FeatureExtractor(["relu1_1", "relu1_1"])
    with pytest.raises(ParameterError, match="got none"):
        FeatureExtractor([])
    with pytest.raises(ParameterError, match="pooling"):
        FeatureExtractor(["relu1_1"], pooling="min")
    with pytest.raises(ParameterError, match="channels: expected 1 or more, got 0"):
        feature_grid(random_features(), count=0)
    extractor = FeatureExtractor(["relu5_1"], max_pixels=3000)
    with pytest.raises(ParameterError, match="at least 16 pixels on each side, got <tensor> at 20x15"):
        extractor.read(picture(1), 20)
    with pytest.raises(ParameterError, match="expected 0 or more pixels, got -1"):
        extractor.read(picture(1), -1)
    with pytest.raises(ParameterError, match="at 100x75 has 7500 pixels, the limit is 3000"):
        extractor.read(picture(1), 100)
    with pytest.raises(ImageError, match="limit"):
        extractor.read(picture(1, (60, 80)), 40)
