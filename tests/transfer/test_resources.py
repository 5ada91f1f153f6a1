"""A session that shares paints what it would paint alone, to the last bit, and reads and loads only once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

from impasto import images
from impasto.assembly.networks import Encoder, build_encoder
from impasto.errors import ImageError
from impasto.recipes.presets import resolve
from impasto.recipes.recipe import Recipe
from impasto.swatches import paint
from impasto.transfer import strength
from impasto.transfer.pictures import Sources
from impasto.transfer.resources import SessionCache
from impasto.transfer.session import Session
from tests.apps.conftest import thin  # noqa: F401

OPTIONS: dict[str, Any] = {"size": 40, "steps": 4, "smallest": 20, "device": "cpu", "precision": "fp32"}


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path, Path]:
    paths = tmp_path / "content.png", tmp_path / "style.png", tmp_path / "deep.png"
    PIL.Image.fromarray(paint("points", size=64)[:48]).save(paths[0])
    PIL.Image.fromarray(paint("glass", size=56)).save(paths[1])
    deep = torch.rand(1, 3, 40, 50, generator=torch.Generator().manual_seed(1))
    images.write(paths[2], deep, bits=16)  # cannot be kept in 8 bits
    return paths


def _painted(options: dict[str, Any], content: Path, style: Path, shared: SessionCache | None) -> Any:
    session = Session(resolve(**OPTIONS | options), Sources(content, [style]), resources=shared)
    return session.result(list(session)[-1])


def test_equal_to_the_last_bit(
    pictures: tuple[Path, Path, Path],
    thin: None,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded: list[str] = []

    def counted(recipe: Recipe, *, progress: Any) -> Encoder:
        loaded.append(recipe.encoder)
        return build_encoder(recipe, progress=progress)

    content, style, deep = pictures
    shared = SessionCache(load=counted)
    runs: list[tuple[dict[str, Any], Path, Path]] = [
        ({"style_weight": 5.0}, content, style),
        ({"style_weight": 50.0}, content, style),
        ({"style_size": 32}, content, deep),
        ({"strength": 0.4}, content, style),
        ({"strength": 0.6}, content, style),
        ({"strength": 0.4}, content, deep),
        ({"init": str(deep), "steps": 2}, deep, style),
        ({"pooling": "average"}, content, style),
        ({"style_weight": 5.0}, content, style),
    ]
    measured: list[object] = []
    middle = strength._weight_at_half

    def counted_middle(*given: Any) -> float:
        measured.append(given)
        return middle(*given)

    monkeypatch.setattr(strength, "_weight_at_half", counted_middle)
    monkeypatch.setattr(strength, "SIDE", 32)
    together = [_painted(options, *paths, shared) for options, *paths in runs]
    assert len(measured) == 2  # once for each pair of pictures
    assert loaded == ["vgg19"] * 3  # the poolings' change, there and back
    for (options, *paths), ours in zip(runs, together, strict=True):
        alone = _painted(options, *paths, None)
        assert torch.equal(ours.image, alone.image)
        assert ours.recipe == alone.recipe
        assert ours.losses == alone.losses
        assert ours.notes == alone.notes


def test_reads_a_file_once(pictures: tuple[Path, Path, Path]) -> None:
    read: list[object] = []

    def counted(source: Any, *, max_pixels: int, shrink_to: int = 0) -> images.Picture:
        read.append(source)
        return original(source, max_pixels=max_pixels, shrink_to=shrink_to)

    original = images.read
    shared = SessionCache(read=counted)
    once = [shared.read(path, max_pixels=10_000) for path in (*pictures, *pictures)]
    assert read == list(pictures)
    assert once[0].pixels.dtype == torch.uint8
    assert once[2].pixels.dtype == torch.float32
    assert torch.equal(once[0].pixels / 255, original(pictures[0], max_pixels=10_000).pixels)
    with pytest.raises(ImageError, match="pixels"):
        shared.read(pictures[0], max_pixels=10)


def test_pictures_that_are_no_files(pictures: tuple[Path, Path, Path]) -> None:
    picture = PIL.Image.open(pictures[0])
    assert torch.equal(
        SessionCache().read(picture, max_pixels=10_000).pixels,
        SessionCache().read(pictures[0], max_pixels=10_000).pixels,
    )
