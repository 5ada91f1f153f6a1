"""Picture files of every kind are read, or refused in one line."""

from __future__ import annotations

import hashlib
import os
import struct
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms, ImageFile

from impasto.errors import ImageError, MissingExtraError
from impasto.images import read
from tests.conftest import ALL_MAY
from tests.images.pictures import VALUES, eight_bits

# --- files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm", "webp", "jp2"])
def test_lossless_files_are_exact(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(VALUES).save(path, **({"lossless": True} if suffix == "webp" else {}))
    picture = read(path)
    assert np.array_equal(eight_bits(picture), VALUES)
    assert picture.pixels.shape == (1, 3, 12, 17)
    assert picture.pixels.dtype == torch.float32
    assert picture.name == path.name
    assert picture.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert picture.notes == ()


def test_path_may_be_text_and_the_suffix_may_lie(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(VALUES).save(path, "PNG")
    assert torch.equal(read(str(path)).pixels, read(path).pixels)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "LAB"])
def test_modes_come_out_as_rgb(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(VALUES)
    if mode == "LAB":
        image = ImageCms.profileToProfile(
            image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    else:
        image = image.convert(mode)
    path = tmp_path / "a.tif"
    image.save(path)
    picture = read(path)
    if mode == "LAB":
        assert np.abs(eight_bits(picture) - VALUES).mean() < 4
    else:
        assert np.array_equal(eight_bits(picture), np.asarray(image.convert("RGB")))
    assert ("CMYK converted to RGB" in picture.notes) == (mode == "CMYK")


def test_animation_gives_its_first_frame(tmp_path: Path) -> None:
    for kind, extra in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})):
        path = tmp_path / kind
        frames = [Image.new("RGB", (8, 8), c) for c in ("red", "blue", "white")]
        frames[0].save(path, kind, save_all=True, append_images=frames[1:], **extra)
        picture = read(path)
        assert picture.notes == ("first of 3 frames used",)
        assert eight_bits(picture)[0, 0].tolist() == [255, 0, 0]


def test_mpo_gives_its_first_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.mpo"
    frames = [Image.new("RGB", (8, 8), c) for c in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    picture = read(path)
    assert picture.notes == ("first of 2 frames used",)
    assert eight_bits(picture)[0, 0, 0] > 250


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)])
def test_tiny_pictures(tmp_path: Path, size: tuple[int, int]) -> None:
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM"):
        Image.new("RGB", size, "white").save(tmp_path / "a", kind)
        assert tuple(read(tmp_path / "a").pixels.shape) == (1, 3, size[1], size[0])


# --- refusals ----------------------------------------------------------------------------------------------


def test_the_limit_is_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(VALUES).save(path)
    count = 12 * 17
    for source in (path, Image.fromarray(VALUES), VALUES, torch.zeros(3, 12, 17)):
        read(source, max_pixels=count)
        with pytest.raises(ImageError, match=f"{count} pixels, the limit is {count - 1}"):
            read(source, max_pixels=count - 1)


def test_tiff_with_huge_tiles_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, VALUES, photometric="rgb", tile=(16, 32))
    changed = path.read_bytes()
    tag = struct.pack("<HHII", 322, 4, 1, 32)
    assert changed.count(tag) == 1
    path.write_bytes(changed.replace(tag, struct.pack("<HHII", 322, 4, 1, 160_000)))
    with pytest.raises(ImageError, match="2560000 pixels, the limit is 100000"):
        read(path, max_pixels=100_000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes among its files")
def test_what_is_not_a_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "empty.png").touch()
    for source, reason in (
        (tmp_path / "none.png", "there is no such file"),
        (tmp_path, "a folder"),
        (pipe, "a pipe"),
        (tmp_path / "empty.png", "an empty file"),
        ("/dev/zero", "not a regular file"),
        ("a\0b.png", "cannot read"),
        (tmp_path / ("n" * 300), "cannot read"),
    ):
        with pytest.raises(ImageError, match=reason) as caught:
            read(source)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(ALL_MAY, reason="root may read everything, and Windows knows no such permission")
def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(VALUES).save(path)
    path.chmod(0)
    with pytest.raises(ImageError, match="permission"):
        read(path)


def test_file_too_big_to_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        file.truncate(1_000_000_001)  # takes no space
    with pytest.raises(ImageError, match="1000000001 bytes, the limit is 1000000000"):
        read(path)


def test_odd_names_make_one_printable_line(tmp_path: Path) -> None:
    path = tmp_path / "two\nlines\x1b[31m.png"
    path.write_bytes(b"no picture")
    with pytest.raises(ImageError) as caught:
        read(path)
    assert str(caught.value).isprintable()
    undecodable = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    Image.fromarray(VALUES).save(undecodable)
    read(undecodable).name.encode()


def test_heic_without_the_extra_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(50))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingExtraError, match=r"a\.heic.*impasto\[heif\]"):
        read(path)


def test_heic(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "a.heic"
    smooth = Image.fromarray(VALUES[:2, :3]).resize((64, 48), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    heif.from_pillow(smooth).save(path, quality=-1, exif=exif.tobytes())
    before = dict(Image.OPEN)
    picture = read(path)
    assert picture.pixels.shape == (1, 3, 64, 48)
    assert np.abs(eight_bits(picture) - np.asarray(smooth.transpose(Image.Transpose.ROTATE_270))).mean() < 3
    with pytest.raises(ImageError, match="3072 pixels, the limit is 3071"):
        read(path, max_pixels=3071)
    assert dict(Image.OPEN) == before


def test_nothing_global_is_left_changed(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)
    with pytest.raises(ImageError):
        read(tmp_path / "bad.png")
    read(Image.fromarray(VALUES), max_pixels=5000)
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)) == before


def test_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    Image.fromarray(VALUES).save(tmp_path / "a.png")
    before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    seen: list[object] = []

    def work(limit: int) -> None:
        for _ in range(20):
            try:
                seen.append((limit, read(tmp_path / "a.png", max_pixels=limit).pixels.shape[3]))
            except ImageError:
                seen.append((limit, None))

    threads = [threading.Thread(target=work, args=(limit,)) for limit in (10, 1000, 20, 2000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {(10, None), (20, None), (1000, 17), (2000, 17)}
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before
