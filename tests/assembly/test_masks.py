"""Regions from masks: each has its style, what is kept is kept, and a recipe repeats it all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

import impasto
from impasto import images
from impasto.assembly.mask_pictures import mask_of
from impasto.errors import ImageError, ParameterError
from impasto.geometry import resize
from impasto.runs import recording
from impasto.runs.create import stylize
from impasto.runs.resume import go_on
from impasto.swatches import paint

OPTIONS: dict[str, Any] = {"size": 64, "steps": 4, "margin": 0, "device": "cpu", "precision": "fp32"}


pytestmark = pytest.mark.usefixtures("thin_network")


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    left = np.zeros((48, 64), np.uint8)
    left[:, :32] = 255
    made = {
        "content": paint("points", size=64)[:48],
        "glass": paint("glass", size=56),
        "waves": paint("waves", size=56),
        "left": left,
        "right": 255 - left,
        "half": np.full((48, 64), 128, np.uint8),
        "black": np.zeros((9, 9), np.uint8),
        "small": left[::4, ::4],
    }
    for name, pixels in made.items():
        PIL.Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return {name: tmp_path / f"{name}.png" for name in made}


def painted(pictures: dict[str, Path], *styles: str, **options: Any) -> impasto.Result:
    return impasto.stylize(pictures["content"], [pictures[name] for name in styles], **{**OPTIONS, **options})


def masks(pictures: dict[str, Path], *names: str, **more: Any) -> list[dict[str, Any]]:
    return [{"name": name, "mask": pictures[name], **more} for name in names]


def test_two_half_masks_are_no_mask(pictures: dict[str, Path]) -> None:
    plain = painted(pictures, "glass", optimizer="adam")
    regions = [
        {"name": "one", "mask": pictures["half"], "style": 1},
        {"name": "other", "mask": pictures["half"], "style": 1},
    ]
    halves = painted(pictures, "glass", regions=regions, optimizer="adam")
    assert halves.loss == pytest.approx(plain.loss, rel=0.01)  # 128 is a little more than half of 255
    assert float((halves.image - plain.image).abs().mean()) < 0.002


def test_each_region_takes_the_style_in_its_place(pictures: dict[str, Path]) -> None:
    both = painted(pictures, "glass", "waves", regions=masks(pictures, "left", "right"), steps=12)
    turned = painted(pictures, "waves", "glass", regions=masks(pictures, "left", "right"), steps=12)
    glass, waves = (painted(pictures, name, steps=12).image for name in ("glass", "waves"))

    def off(a: torch.Tensor, b: torch.Tensor, columns: slice) -> float:
        return float((a[..., columns].mean((2, 3)) - b[..., columns].mean((2, 3))).norm())

    left, right = slice(0, 24), slice(40, 64)
    assert off(both.image, glass, left) < off(both.image, waves, left)
    assert off(both.image, waves, right) < off(both.image, glass, right)
    assert off(turned.image, waves, left) < off(turned.image, glass, left)
    assert {name for name in both.losses if "relu1_1" in name} == {
        "style relu1_1 left",
        "style relu1_1 right",
    }


def test_what_is_kept_is_the_photograph(pictures: dict[str, Path]) -> None:
    regions = [*masks(pictures, "left"), *masks(pictures, "right", keep=True)]
    found = painted(pictures, "glass", regions=regions).image
    photo = resize(images.read(pictures["content"]).pixels, (48, 64))
    assert torch.allclose(found[..., 33:], photo[..., 33:], atol=1e-6)
    assert not torch.allclose(found[..., :31], photo[..., :31], atol=0.05)


def test_weight_and_loss_of_a_region_count(pictures: dict[str, Path]) -> None:
    plain = painted(pictures, "glass", regions=masks(pictures, "left"))
    for more in (
        {"weight": 3.0},
        {"loss": "mean-deviation"},
        {"loss": "patches"},
        {"style_mask": pictures["small"]},
    ):
        other = painted(pictures, "glass", regions=masks(pictures, "left", **more))
        assert not torch.equal(other.image, plain.image)
    assert painted(pictures, "glass", regions=masks(pictures, "left", weight=2.0)).losses == pytest.approx(
        painted(pictures, "glass", regions=masks(pictures, "left"), style_weight=40.0).losses
    )


def test_the_recipe_repeats_it_and_a_run_goes_on(pictures: dict[str, Path], tmp_path: Path) -> None:
    regions = masks(pictures, "left", "right")
    first = painted(pictures, "glass", "waves", regions=regions)
    again = impasto.stylize(
        pictures["content"],
        [pictures["glass"], pictures["waves"]],
        recipe=impasto.Recipe.from_toml(first.recipe.to_toml()),
    )
    assert torch.equal(again.image, first.image)

    class StopError(Exception):
        pass

    def stop(step: impasto.Step) -> None:
        if step.done == 2:
            raise StopError

    monkey = pytest.MonkeyPatch()
    with monkey.context() as patched, pytest.raises(StopError):
        patched.setattr(recording, "CHECKPOINT_SECONDS", 0.0)
        stylize(
            tmp_path / "run",
            pictures["content"],
            [pictures["glass"], pictures["waves"]],
            regions=regions,
            on_step=stop,
            **OPTIONS,
        )
    assert torch.equal(go_on(tmp_path / "run").image, first.image)


def test_a_mask_that_has_changed_is_noticed(pictures: dict[str, Path], tmp_path: Path) -> None:
    stylize(
        tmp_path / "run", pictures["content"], pictures["glass"], regions=masks(pictures, "left"), **OPTIONS
    )
    recipe = impasto.Recipe.from_toml((tmp_path / "run" / "recipe.toml").read_text())
    assert [what for what, _ in recipe.inputs] == ["content", "style", "mask left"]
    assert all(len(each.sha256) == 64 for _, each in recipe.inputs)


def test_masks_of_another_size_are_noted(pictures: dict[str, Path]) -> None:
    found = painted(pictures, "glass", regions=masks(pictures, "small"))
    assert "small.png: a mask of 16x12 is resized to 64x48" in found.notes
    black = [{"name": "sky", "mask": pictures["black"]}]
    with pytest.raises(ParameterError, match=r"mask sky: expected white .* black all over: black\.png"):
        painted(pictures, "glass", regions=black)


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"style": 2}, "region left: expected a style from 1 to 1, got 2"),
        ({"weight": -1}, "regions.0.weight"),
        ({"name": "a b"}, "regions.0.name"),
        ({"mask": "none.png"}, "none.png"),
    ],
)
def test_what_cannot_be_is_said(pictures: dict[str, Path], more: dict[str, Any], complaint: str) -> None:
    regions = [{"name": "left", "mask": pictures["left"], **more}]
    with pytest.raises(impasto.InputError, match=complaint):
        painted(pictures, "glass", regions=regions)


def cut_out(pictures: dict[str, Path], name: str, mask: str = "left") -> Path:
    path = pictures[name].with_name(f"{name}-cut.png")
    with PIL.Image.open(pictures[name]) as picture, PIL.Image.open(pictures[mask]) as cover:
        whole = picture.convert("RGB")
        whole.putalpha(cover.resize(whole.size))
        whole.save(path)
    return path


def test_a_cut_out_photograph_comes_back_cut_out(pictures: dict[str, Path], tmp_path: Path) -> None:
    result = impasto.stylize(cut_out(pictures, "content"), pictures["glass"], **OPTIONS)
    result.save(tmp_path / "out.png")
    assert result.to_pil().mode == "RGBA"
    with PIL.Image.open(tmp_path / "out.png") as saved:
        cover = np.asarray(saved.getchannel("A"))
    assert (cover[:, :31] == 255).all() and (cover[:, 33:] == 0).all()
    stylize(tmp_path / "run", cut_out(pictures, "content"), pictures["glass"], save_every=2, **OPTIONS)
    for name in ("result.png", "step-000002.png"):
        with PIL.Image.open(tmp_path / "run" / name) as saved:
            assert saved.mode == "RGBA"


@pytest.mark.parametrize("loss", ["gram-share", "histogram"])
def test_what_is_transparent_in_a_style_does_not_count(pictures: dict[str, Path], loss: str) -> None:
    options = {
        **OPTIONS,
        "style_loss": loss,
        "optimizer": "adam",
    }  # L-BFGS enlarges what rounding the mask's size changes
    cut = impasto.stylize(pictures["content"], cut_out(pictures, "glass"), **options)
    ones = pictures["content"].with_name("white.png")
    PIL.Image.new("L", (64, 48), 255).save(ones)
    white = pictures["glass"].with_name("white-right.png")
    with PIL.Image.open(cut_out(pictures, "glass")) as picture:
        paper = PIL.Image.new("RGBA", picture.size, (255, 255, 255, 255))
        PIL.Image.alpha_composite(paper, picture).convert("RGB").save(white)
    # The same by hand: the style on white, and a mask over the part that counts.
    region = {"name": "all", "mask": ones, "style_mask": pictures["left"]}
    by_hand = impasto.stylize(pictures["content"], white, regions=[region], **options)
    assert cut.loss == pytest.approx(by_hand.loss, rel=0.01)
    assert float((cut.image - by_hand.image).abs().mean()) < 0.005
    whole = impasto.stylize(pictures["content"], white, **options)
    assert float((cut.image - whole.image).abs().mean()) > 0.01


def test_a_name_stands_for_one_region(pictures: dict[str, Path]) -> None:
    with pytest.raises(ParameterError, match="each name once"):
        painted(pictures, "glass", regions=masks(pictures, "left", "left"))


def half(inside: tuple[int, ...], outside: tuple[int, ...]) -> PIL.Image.Image:
    """48 x 64 pixels, the left half of one colour and the right half of another."""
    values = np.empty((48, 64, len(inside)), np.uint8)
    values[:, :32], values[:, 32:] = inside, outside
    return PIL.Image.fromarray(values)


FORMS = {
    "white on transparent": half((255, 255, 255, 255), (255, 255, 255, 0)),
    "black on transparent": half((0, 0, 0, 255), (0, 0, 0, 0)),
    "red on transparent": half((255, 0, 0, 255), (0, 0, 0, 0)),
    "grey with alpha": half((255, 255), (0, 0)),
    "palette with transparency": half((255, 255, 255, 255), (0, 0, 0, 0)).quantize(4),
    "0 and 1": PIL.Image.fromarray(np.asarray(half((1, 1), (0, 0)))[:, :, 0]),
}


@pytest.mark.parametrize("form", FORMS)
def test_masks_as_paint_programs_write_them(pictures: dict[str, Path], form: str) -> None:
    path = pictures["left"].with_name("form.png")
    FORMS[form].save(path)
    plain = painted(pictures, "glass", regions=masks(pictures, "left"))
    found = painted(pictures, "glass", regions=[{"name": "left", "mask": path}])
    assert float((found.image - plain.image).abs().mean()) < 0.001
    (note,) = found.notes
    assert note.startswith("form.png: ")


def test_a_drawing_on_transparent_takes_both_brightness_and_alpha() -> None:
    values = np.asarray(half((255, 255, 255, 255), (255, 255, 255, 0))).copy()
    values[:24, :, :3] = 0
    found, (note,) = mask_of(images.read(values), "mask sky", "a.png", None)
    wanted = torch.zeros(48, 64)
    wanted[24:, :32] = 1
    assert torch.allclose(found[0, 0], wanted, atol=1e-4)
    assert note == "a.png: its opaque bright pixels are inside, transparent ones are outside"


LABELS = np.arange(4, dtype=np.uint8).reshape(2, 2).repeat(24, 0).repeat(32, 1)


@pytest.mark.parametrize("values", [LABELS, LABELS.astype(np.int64), LABELS.astype(np.uint16)])
def test_a_map_of_labels_needs_a_label(pictures: dict[str, Path], values: np.ndarray) -> None:
    complaint = (
        r"mask sky: expected black and white, or .* label .*, got a map of the labels 0, 1, 2, 3 without"
    )
    with pytest.raises(ParameterError, match=complaint):
        painted(pictures, "glass", regions=[{"name": "sky", "mask": values}])
    with pytest.raises(ParameterError, match="got label 9, in a map of 0, 1, 2, 3"):
        painted(pictures, "glass", regions=[{"name": "sky", "mask": values, "label": 9}])
    corner = painted(pictures, "glass", regions=[{"name": "sky", "mask": LABELS == 2}])
    found = painted(pictures, "glass", regions=[{"name": "sky", "mask": values, "label": 2}])
    assert float((found.image - corner.image).abs().mean()) < 0.001
    assert found.recipe.regions[0].label == 2
    with pytest.raises(
        ParameterError, match="mask sky: expected an opaque grey map of labels, since label 2"
    ):
        painted(pictures, "glass", regions=[{"name": "sky", "mask": STYLE, "label": 2}])


@pytest.mark.parametrize("kind", [np.asarray, PIL.Image.fromarray, torch.from_numpy])
def test_masks_may_be_pictures_in_memory(pictures: dict[str, Path], tmp_path: Path, kind: Any) -> None:
    with PIL.Image.open(pictures["left"]) as opened:
        left = np.array(opened)
    plain = painted(pictures, "glass", regions=masks(pictures, "left", style_mask=pictures["small"]))
    regions = [{"name": "left", "mask": kind(left), "style_mask": kind(left[::4, ::4].copy())}]
    found = painted(pictures, "glass", regions=regions)
    assert torch.equal(found.image, plain.image)
    (region,) = found.recipe.regions
    assert (region.mask.path, region.style_mask and region.style_mask.path) == (
        "<mask left>",
        "<style-mask left>",
    )
    assert len(region.mask.sha256) == 64
    run = stylize(tmp_path / "run", pictures["content"], pictures["glass"], regions=regions, **OPTIONS)
    assert torch.equal(run.image, plain.image)
    steps = impasto.iterate(pictures["content"], pictures["glass"], **OPTIONS)
    next(steps)
    assert steps.change(regions=regions)


@pytest.mark.parametrize("mask", [[[0, 1] * 9999] * 99, 3, {"a": [1] * 9999}])
def test_an_unusable_mask_is_refused_in_a_short_line(pictures: dict[str, Path], mask: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        painted(pictures, "glass", regions=[{"name": "sky", "mask": mask}])
    assert str(caught.value).startswith("regions.0.mask") and len(str(caught.value)) < 200


CLEAR = np.zeros((30, 40, 4), np.uint8)
STYLE = paint("glass", size=56)
LEFT = np.repeat([[255] * 32 + [0] * 32], 48, 0).astype(np.uint8)


@pytest.mark.parametrize(
    "loss", ["gram-share", "wasserstein", "sliced-wasserstein", "histogram", "patches", "relaxed-transport"]
)
@pytest.mark.parametrize(
    ("content", "styles", "more"),
    [
        (CLEAR, [STYLE], {}),
        (STYLE, [CLEAR], {}),
        (STYLE, [CLEAR], {"seamless": True}),
        (STYLE, [STYLE, CLEAR], {}),
        (STYLE, [STYLE, CLEAR], {"regions": [{"name": "left", "mask": LEFT, "style": 2}]}),
    ],
)
def test_a_wholly_transparent_picture_is_named_before_painting(
    content: np.ndarray, styles: list[np.ndarray], more: dict[str, Any], loss: str
) -> None:
    given: dict[str, Any] = {**OPTIONS, **more, "style_loss": loss}
    with pytest.raises(ImageError, match=r"<array>: expected visible pixels, got .* wholly transparent"):
        impasto.plan(content, styles, **given)
    if not more:
        with pytest.raises(ImageError, match=r"<array>: expected visible pixels, got .* wholly transparent"):
            impasto.Judge(content, styles, style_loss=loss)


def test_an_unused_transparent_style_is_left_out(pictures: dict[str, Path]) -> None:
    changes = [{"at": 1, "style_weights": [1, 1]}]
    for loss in ("gram-share", "histogram"):
        plain = painted(pictures, "glass", style_loss=loss)
        given: dict[str, Any] = {**OPTIONS, "style_loss": loss, "style_weights": [1, 0]}
        styles = [pictures["glass"], CLEAR]
        found = impasto.stylize(pictures["content"], styles, **given)
        assert "<array>: wholly transparent, left out" in found.notes
        assert float((found.image - plain.image).abs().mean()) < 0.002
        with pytest.raises(ImageError, match="wholly transparent"):
            impasto.plan(pictures["content"], styles, changes=changes, **given)
        steps = impasto.iterate(pictures["content"], styles, **given)
        next(steps)
        with pytest.raises(ImageError, match="wholly transparent"):
            steps.change(style_weights=[1, 1])


def test_a_mask_beside_the_cut_out_is_named(pictures: dict[str, Path]) -> None:
    regions = masks(pictures, "right")
    with pytest.raises(
        ParameterError, match=r"mask right: .* of content-cut\.png .* transparent ones: right\.png"
    ):
        impasto.plan(cut_out(pictures, "content"), pictures["glass"], regions=regions, **OPTIONS)
    seen = np.repeat([[255] * 28 + [0] * 28], 56, 0).astype(np.uint8)
    regions = [{"name": "left", "mask": LEFT, "style_mask": 255 - seen}]
    with pytest.raises(ParameterError, match=r"style-mask left: .* <array>, got only transparent ones"):
        impasto.plan(pictures["content"], np.dstack([STYLE, seen]), regions=regions, **OPTIONS)
    with pytest.raises(ParameterError, match=r"mask sky: .* got only black or transparent ones"):
        impasto.plan(pictures["content"], STYLE, regions=[{"name": "sky", "mask": CLEAR}], **OPTIONS)


@pytest.mark.parametrize("loss", ["gram-share", "wasserstein", "histogram", "patches", "relaxed-transport"])
def test_a_region_of_one_pixel_is_painted(pictures: dict[str, Path], loss: str) -> None:
    dot = np.zeros((480, 640), np.uint8)
    dot[479, 639] = 255
    found = painted(pictures, "glass", regions=[{"name": "dot", "mask": dot}], style_loss=loss)
    assert torch.isfinite(found.image).all()
