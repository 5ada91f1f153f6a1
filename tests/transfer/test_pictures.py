"""What a session does with its pictures: notes, reduced reading, sizes that do not fit, forms that it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

import impasto
from impasto.assembly.schedule import content_pixels, style_pixels
from impasto.errors import ImageError, ParameterError
from impasto.images import read
from impasto.recipes.recipe import Recipe
from impasto.swatches import paint
from impasto.transfer.pictures import Sources
from impasto.transfer.resources import SessionCache
from impasto.transfer.session import Session

OPTIONS: dict[str, Any] = {"size": 64, "steps": 2, "device": "cpu", "precision": "fp32"}
CONTENT, STYLE = paint("points", size=64)[:48], paint("glass", size=56)

pytestmark = pytest.mark.usefixtures("thin_network")


def test_notes_come_when_a_picture_is_read(tmp_path: Path) -> None:
    cut = np.dstack([CONTENT, CONTENT[:, :, :1]])
    (tmp_path / "bad.png").write_bytes(b"no picture")
    seen: list[str] = []
    with pytest.raises(ImageError, match=r"bad\.png"):
        Session(Recipe(**OPTIONS), Sources(cut, [tmp_path / "bad.png"]), on_note=seen.append)
    assert seen == ["<array>: transparent pixels composited over white"]
    session = Session(Recipe(**OPTIONS), Sources(cut, [STYLE]), on_note=seen.append)
    assert session.notes == ("<array>: transparent pixels composited over white",)


@pytest.mark.parametrize("shape", [(88, 590), (169, 13), (2, 940), (100, 4000)])
@pytest.mark.parametrize("fit", ["long", "height", "area"])
def test_a_thin_picture_is_named_with_the_least_size_that_would_do(shape: tuple[int, int], fit: str) -> None:
    thin = np.random.default_rng(0).random(shape)
    options: dict[str, Any] = {**OPTIONS, "fit": fit, "memory": "100GB"}
    small = {"long": 48, "height": 12, "area": 16}[fit]
    with pytest.raises(ParameterError) as caught:
        impasto.plan(thin, STYLE, **{**options, "size": small})
    complaint = str(caught.value)
    assert complaint.startswith(
        "<array>: the chosen layers need at least 16 pixels on each side of the result, "
    )
    wanted = int(complaint.removesuffix(" would do").rpartition(" ")[2])
    assert impasto.plan(thin, STYLE, **{**options, "size": wanted}) is not None
    with pytest.raises(ParameterError, match="chosen layers"):
        impasto.plan(thin, STYLE, **{**options, "size": wanted - 1})


def test_what_is_enlarged_or_stretched_is_noted() -> None:
    tiny = CONTENT[:3, :4]
    found = impasto.stylize(tiny, STYLE, init=np.asarray(STYLE), **OPTIONS)
    assert "<array>: a picture of 4x3 is enlarged to 64x48" in found.notes
    assert "<array>: an initial image of 56x56 is stretched to 64x48" in found.notes
    notes = impasto.stylize(CONTENT, STYLE, init=CONTENT[:24, :32], **OPTIONS).notes
    assert not any("stretched" in note or "enlarged" in note for note in notes)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_far_larger_picture_is_read_reduced(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    PIL.Image.fromarray(CONTENT).resize((1088, 816), PIL.Image.Resampling.BICUBIC).save(path)
    whole = read(path)
    reduced = impasto.stylize(path, STYLE, **OPTIONS)
    full = impasto.stylize(whole.pixels, STYLE, **OPTIONS)
    assert [note for note in reduced.notes if "1088x816 pixels read reduced" in note]
    assert reduced.size == full.size == (64, 48)
    assert reduced.recipe.content is not None and reduced.recipe.content.sha256 == whole.sha256
    assert reduced.loss == pytest.approx(full.loss, rel=0.05)
    judged = impasto.Judge(path, STYLE, recipe=reduced.recipe)(reduced.to_pil())
    assert judged.loss == pytest.approx(reduced.loss, rel=1e-4)
    larger = impasto.stylize(path, STYLE, **{**OPTIONS, "size": 128})
    assert not any("read reduced" in note for note in larger.notes)


def test_sizes_that_pictures_are_reduced_to() -> None:
    assert content_pixels(Recipe(size=100)) == 400
    assert content_pixels(Recipe(size=0)) == 0
    assert content_pixels(Recipe(size=100, fit="height", aspect=2.0)) == 800
    assert style_pixels(Recipe(style_scale=2.0), 0, (75, 100)) == 800
    assert style_pixels(Recipe(style_size=150), 0, (75, 100)) == 600
    assert content_pixels(Recipe(size=1)) == 256
    assert style_pixels(Recipe(style_size=0), 0, (75, 100)) == 0


def test_a_cache_has_each_reduction_once(tmp_path: Path) -> None:
    PIL.Image.fromarray(CONTENT).save(tmp_path / "a.png")
    counted: list[int] = []

    def counting(source: Any, *, max_pixels: int, shrink_to: int = 0) -> impasto.images.Picture:
        counted.append(shrink_to)
        return read(source, max_pixels=max_pixels, shrink_to=shrink_to)

    shared = SessionCache(read=counting)
    sides = [
        min(shared.read(tmp_path / "a.png", max_pixels=10_000, shrink_to=pixels).pixels.shape[2:])
        for pixels in (100, 30, 0, 12, 12, 16)
    ]
    assert sides == [48, 48, 48, 12, 12, 16]
    assert counted == [100, 12, 16]


def test_forms_of_pictures_and_settings(tmp_path: Path) -> None:
    PIL.Image.fromarray(CONTENT).save(tmp_path / "a.png")
    plain = impasto.stylize(tmp_path / "a.png", [STYLE, STYLE], **OPTIONS)
    content = (tmp_path / "a.png").read_bytes()
    styles = (style for style in (STYLE, STYLE))
    layers: Any = ["relu4_2"]
    device: Any = torch.device("cpu")
    found = impasto.stylize(content, styles, **{**OPTIONS, "content_layers": layers, "device": device})
    assert torch.equal(found.image, plain.image)
    assert found.recipe.content is not None and found.recipe.content.path == "<bytes>"
    paint_it = impasto.Stylizer((style for style in (STYLE, STYLE)), **OPTIONS)
    for _ in range(2):
        assert torch.equal(paint_it(CONTENT).image, plain.image)


def test_a_result_is_a_picture() -> None:
    cut = np.dstack([CONTENT, np.repeat([[255] * 40 + [0] * 24], 48, 0).astype(np.uint8)])
    first = impasto.stylize(cut, STYLE, **OPTIONS)
    assert first.image.shape[1] == 4
    again = impasto.stylize(first.image, first.image, **OPTIONS)
    assert torch.equal(again.image[:, 3], first.image[:, 3])


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cpu:0:0", 3])
def test_no_such_device(device: Any) -> None:
    with pytest.raises(ParameterError, match="device: expected auto, cpu, cuda, cuda:N or mps, got"):
        impasto.plan(CONTENT, STYLE, **{**OPTIONS, "device": device})


def test_a_missing_gpu_is_named() -> None:
    with pytest.raises(ParameterError, match=r"device: expected one this machine has \(.*\), got 'cuda:99'"):
        impasto.plan(CONTENT, STYLE, **{**OPTIONS, "device": "cuda:99"})


def test_a_bare_module_is_no_encoder() -> None:
    bare: Any = torch.nn.Conv2d(3, 3, 3)
    for paint_it in (impasto.plan, impasto.Judge):
        with pytest.raises(ParameterError, match=r"encoder: .* impasto\.from_module\(.* got a Conv2d"):
            paint_it(CONTENT, STYLE, encoder=bare)
