"""Whose colours a painting has: kept to what is stated, repeated by its recipe, the same after resuming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

import impasto
from impasto import color, images
from impasto.errors import ParameterError
from impasto.geometry import resize
from impasto.runs.create import stylize
from impasto.swatches import paint

OPTIONS: dict[str, Any] = {"size": 40, "steps": 4, "device": "cpu", "precision": "fp32"}


pytestmark = pytest.mark.usefixtures("thin_network")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pictures")
    made = {"content": paint("points", size=64)[:48], "style": paint("glass", size=56)}
    made["palette"] = paint("waves", size=50)
    for name, pixels in made.items():
        PIL.Image.fromarray(pixels).save(folder / f"{name}.png")
    return {name: folder / f"{name}.png" for name in made}


def test_keep_has_the_photograph_s_colors_and_the_painting_s_lightness(pictures: dict[str, Path]) -> None:
    steps = list(
        impasto.iterate(
            pictures["content"], pictures["style"], color="keep", **OPTIONS
        )  # the last one stands
    )
    found, painted = color.oklab(steps[-1].image), color.oklab(steps[-1].painted)
    photo = color.oklab(resize(images.read(pictures["content"]).pixels, (30, 40)))
    assert (found[:, 1:] - photo[:, 1:]).abs().max() < 1e-3
    assert (painted[:, 1:]).abs().mean() < 0.03, "nearly grey: the pictures it comes from are"
    assert (found[:, 0] - painted[:, 0]).abs().mean() < 0.5 * (found[:, 0] - photo[:, 0]).abs().mean()


def test_keep_is_kept_in_the_file(pictures: dict[str, Path], tmp_path: Path) -> None:
    result = impasto.stylize(pictures["content"], pictures["style"], color="keep", **OPTIONS)
    result.save(tmp_path / "out.png")
    saved = color.oklab(images.read(tmp_path / "out.png").pixels)
    photo = color.oklab(resize(images.read(pictures["content"]).pixels, (30, 40)))
    # Half a grey level of rounding, where it counts most: in the dark.
    assert (saved[:, 1:] - photo[:, 1:]).abs().mean() < 0.003


@pytest.mark.parametrize(
    "options",
    [{"color": "keep"}, {"color": "match"}, {"color": "match", "color_match": "histogram"}, "palette"],
)
def test_the_recipe_repeats_it(pictures: dict[str, Path], options: Any) -> None:
    given = {"palette": pictures["palette"]} if options == "palette" else options
    plain = impasto.stylize(pictures["content"], pictures["style"], **OPTIONS)
    first = impasto.stylize(pictures["content"], pictures["style"], **given, **OPTIONS)
    again = impasto.stylize(
        pictures["content"], pictures["style"], recipe=impasto.Recipe.from_toml(first.recipe.to_toml())
    )
    assert torch.equal(again.image, first.image)
    assert not torch.equal(plain.image, first.image)


def test_a_palette_s_colors_come_near(pictures: dict[str, Path]) -> None:
    def mean(picture: torch.Tensor) -> torch.Tensor:
        return picture.mean((2, 3))

    aim = mean(images.read(pictures["palette"]).pixels)
    plain = impasto.stylize(pictures["content"], pictures["style"], **OPTIONS)
    found = impasto.stylize(pictures["content"], pictures["style"], palette=pictures["palette"], **OPTIONS)
    assert (mean(found.image) - aim).norm() < 0.5 * (mean(plain.image) - aim).norm()


def test_a_palette_in_memory_and_a_palette_changed(pictures: dict[str, Path], tmp_path: Path) -> None:
    inside = PIL.Image.open(pictures["palette"])
    stopped = stylize(tmp_path / "run", pictures["content"], pictures["style"], palette=inside, **OPTIONS)
    assert stopped.recipe.palette is not None
    kept = Path(stopped.recipe.palette.path)
    assert kept.parent == (tmp_path / "run").resolve()
    wanted = impasto.stylize(pictures["content"], pictures["style"], palette=pictures["palette"], **OPTIONS)
    assert torch.equal(stopped.image, wanted.image)


def test_a_palette_that_is_none_is_said() -> None:
    with pytest.raises(ParameterError, match="color, palette: expected a palette picture"):
        impasto.stylize("content.png", "style.png", color="palette")
    with pytest.raises(ParameterError, match="color, palette"):
        impasto.stylize("content.png", "style.png", color="keep", palette="picture.png")


def test_other_colors_end_a_palette(pictures: dict[str, Path]) -> None:
    first = impasto.stylize(pictures["content"], pictures["style"], palette=pictures["palette"], **OPTIONS)
    other = impasto.stylize(pictures["content"], pictures["style"], recipe=first.recipe, color="style")
    plain = impasto.stylize(pictures["content"], pictures["style"], **OPTIONS)
    assert torch.equal(other.image, plain.image)
