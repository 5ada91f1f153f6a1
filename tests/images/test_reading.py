"""What a picture's pixels are after reading, for every kind of file and of input in memory."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import sys
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms, ImageFile

from impasto.errors import ImageError, MissingExtraError
from impasto.images import Picture, read
from tests.conftest import ALL_MAY

VALUES = np.random.default_rng(1).integers(0, 256, (12, 17, 3), dtype=np.uint8)


def _hwc(picture: Picture) -> np.ndarray:
    return picture.pixels[0].permute(1, 2, 0).numpy()


def _bytes(picture: Picture) -> np.ndarray:
    return (_hwc(picture) * 255).round().astype(int)


# --- files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm", "webp", "jp2"])
def test_lossless_files_are_exact(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(VALUES).save(path, **({"lossless": True} if suffix == "webp" else {}))
    picture = read(path)
    assert np.array_equal(_bytes(picture), VALUES)
    assert picture.pixels.shape == (1, 3, 12, 17)
    assert picture.pixels.dtype == torch.float32
    assert picture.name == path.name
    assert picture.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert picture.notes == ()


def test_path_may_be_text_and_the_suffix_may_lie(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(VALUES).save(path, "PNG")
    assert torch.equal(read(str(path)).pixels, read(path).pixels)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(11))
def test_upright_as_pillow_turns_it(tmp_path: Path, kind: str, orientation: int) -> None:
    path = tmp_path / "picture"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(VALUES).save(path, kind, exif=exif)
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    plain = tmp_path / "plain"
    Image.fromarray(VALUES).save(plain, kind)
    with Image.open(plain) as image:
        turned = image.transpose(turns[orientation]) if orientation in turns else image
        wanted = np.asarray(turned.convert("RGB"))
    assert np.array_equal(_bytes(read(path)), wanted)


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
        assert np.abs(_bytes(picture) - VALUES).mean() < 4
    else:
        assert np.array_equal(_bytes(picture), np.asarray(image.convert("RGB")))
    assert ("CMYK converted to RGB" in picture.notes) == (mode == "CMYK")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_alpha_is_flattened_on_white(mode: str) -> None:
    alpha = np.random.default_rng(2).integers(0, 256, VALUES.shape[:2], dtype=np.uint8)
    image = Image.fromarray(VALUES).convert({"RGBA": "RGB", "LA": "L", "PA": "P"}[mode])
    colour = np.asarray(image.convert("RGB")) / 255
    if mode == "PA":
        image = image.convert("PA")
    image.putalpha(Image.fromarray(alpha))
    picture = read(image)
    share = alpha[:, :, None] / 255
    assert np.allclose(_hwc(picture), colour * share + 1 - share, atol=1e-6)
    assert picture.notes == ("transparent, on white",)
    assert picture.alpha is not None
    assert picture.alpha.shape == (1, 1, *alpha.shape)
    assert np.allclose(picture.alpha[0, 0].numpy(), alpha / 255, atol=1e-6)


def test_opaque_alpha_is_not_worth_a_note() -> None:
    picture = read(Image.fromarray(VALUES).convert("RGBA"))
    assert picture.notes == ()
    assert picture.alpha is None
    assert read(np.dstack([VALUES, np.full(VALUES.shape[:2], 255, np.uint8)])).alpha is None
    seen_through = read(np.dstack([VALUES, np.full(VALUES.shape[:2], 51, np.uint8)])).alpha
    assert seen_through is not None and torch.allclose(seen_through, torch.tensor(0.2))


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "1"])
def test_a_transparent_colour_becomes_white(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(np.zeros((4, 6, 3), np.uint8))
    image.paste((255, 255, 255) if mode == "1" else (255, 0, 0), (0, 0, 3, 4))
    image = image.convert(mode)
    path = tmp_path / "a.png"
    image.save(path, transparency=(0, 0, 0) if mode == "RGB" else image.getpixel((5, 0)))
    picture = read(path)
    assert "transparent, on white" in picture.notes
    assert bool((picture.pixels[..., 3:] == 1).all())
    assert np.array_equal(_bytes(picture)[:, :3], np.asarray(image.convert("RGB"))[:, :3])


def test_animation_gives_its_first_frame(tmp_path: Path) -> None:
    for kind, extra in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})):
        path = tmp_path / kind
        frames = [Image.new("RGB", (8, 8), c) for c in ("red", "blue", "white")]
        frames[0].save(path, kind, save_all=True, append_images=frames[1:], **extra)
        picture = read(path)
        assert picture.notes == ("first of 3 frames used",)
        assert _bytes(picture)[0, 0].tolist() == [255, 0, 0]


def test_mpo_gives_its_first_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.mpo"
    frames = [Image.new("RGB", (8, 8), c) for c in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    picture = read(path)
    assert picture.notes == ("first of 2 frames used",)
    assert _bytes(picture)[0, 0, 0] > 250


# --- colour profiles ---------------------------------------------------------------------------------------


def _gamma_profile(gamma: float, kind: bytes = b"RGB ") -> bytes:
    """A small ICC version 2 profile: sRGB's primaries, another gamma."""

    def s15(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    xyz = b"XYZ \0\0\0\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78 + 1),
        b"wtpt": xyz + s15(0.9642, 1, 0.8249),
    }
    if kind == b"RGB ":
        tags |= {
            b"rXYZ": xyz + s15(0.4360, 0.2225, 0.0139),
            b"gXYZ": xyz + s15(0.3851, 0.7169, 0.0971),
            b"bXYZ": xyz + s15(0.1431, 0.0606, 0.7141),
            b"rTRC": curve,
            b"gTRC": curve,
            b"bTRC": curve,
        }
    else:
        tags[b"kTRC"] = curve
    table, body, at = b"", b"", 132 + 12 * len(tags)
    for key, value in tags.items():
        table += key + struct.pack(">II", at + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    size = at + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, b"mntr", kind, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + s15(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L"])
def test_profile_is_applied(tmp_path: Path, mode: str) -> None:
    grey = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16)[:, :, None], 3, axis=2)
    path = tmp_path / "a.png"
    image = Image.fromarray(grey).convert(mode)
    image.save(path, icc_profile=_gamma_profile(1.0))
    grey = np.asarray(image.convert("RGB"))  # a palette is coarser
    picture = read(path)
    linear = grey / 255
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(_hwc(picture) - srgb).max() < 3 / 255
    assert picture.notes == ("colours converted to sRGB from test",)


def test_grey_profile_is_applied(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for bits, values in ((8, grey), (16, grey.astype(np.uint16) * 257)):
        path = tmp_path / "a.png"
        Image.fromarray(values).save(path, icc_profile=_gamma_profile(1.0, b"GRAY"))
        picture = read(path)
        linear = grey / 255
        srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        assert np.abs(_hwc(picture)[:, :, 1] - srgb).max() < 3 / 255
        assert ("16-bit reduced to 8" in picture.notes) == (bits == 16)


def test_srgb_profile_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(VALUES).save(path, icc_profile=_srgb_profile())
    picture = read(path)
    assert np.array_equal(_bytes(picture), VALUES)
    assert picture.notes == ()


def test_broken_or_foreign_profile_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for profile, note in (
        (b"not a profile at all", "colour profile is broken, ignored"),
        (_gamma_profile(1.0)[:150], "colour profile is broken, ignored"),
        (_gamma_profile(1.0, b"GRAY"), "colour profile ignored: it is for L pictures, this one is RGB"),
    ):
        Image.fromarray(VALUES).save(path, icc_profile=profile)
        picture = read(path)
        assert picture.notes == (note,)
        assert np.array_equal(_bytes(picture), VALUES)


# --- more than eight bits ----------------------------------------------------------------------------------


def _png16(values: np.ndarray, *, key: tuple[int, ...] | None = None) -> bytes:
    """A 16-bit PNG, (H, W), (H, W, 2), (H, W, 3) or (H, W, 4), written plainly."""
    channels = 1 if values.ndim == 2 else values.shape[2]

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0)
    tail = chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)) if key else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + tail
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


DEEP = np.random.default_rng(3).integers(0, 65536, (9, 13, 4), dtype=np.uint16)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_png_is_kept(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "a.png"
    values = DEEP[:, :, 0] if channels == 1 else DEEP[:, :, :channels]
    path.write_bytes(_png16(values))
    picture = read(path)
    wanted = DEEP[:, :, :3] / 65535 if channels > 1 else np.repeat(DEEP[:, :, :1], 3, axis=2) / 65535
    if channels == 4:
        share = DEEP[:, :, 3:] / 65535
        wanted = wanted * share + 1 - share
    assert np.abs(_hwc(picture) - wanted).max() < 1e-6
    assert "16-bit kept" in picture.notes


def test_16_bit_png_grey_with_alpha_is_reduced_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(_png16(DEEP[:, :, :2]))
    picture = read(path)
    share = DEEP[:, :, 1] / 65535
    assert np.abs(_hwc(picture)[:, :, 0] - (DEEP[:, :, 0] / 65535 * share + 1 - share)).max() < 2 / 255
    assert "16-bit reduced to 8" in picture.notes


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_transparent_colour(tmp_path: Path, channels: int) -> None:
    values = DEEP[:, :, 0].copy() if channels == 1 else DEEP[:, :, :3].copy()
    values[2, 3] = 1000
    values[4, 5] = 1001  # the same in 8 bits
    path = tmp_path / "a.png"
    path.write_bytes(_png16(values, key=(1000,) * channels))
    pixels = _hwc(read(path))
    assert pixels[2, 3].tolist() == [1, 1, 1]
    assert np.allclose(pixels[4, 5], 1001 / 65535, atol=1e-6)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite", "rgb"])
def test_16_bit_tiff_is_kept(tmp_path: Path, order: str, compression: str | None, photometric: str) -> None:
    if (order, photometric) == (">", "miniswhite"):
        pytest.skip("Pillow does not read it")
    path = tmp_path / "a.tif"
    values = DEEP[:, :, :3] if photometric == "rgb" else DEEP[:, :, 0]
    tifffile.imwrite(path, values, photometric=photometric, compression=compression, byteorder=order)
    wanted = values / 65535 if photometric == "rgb" else np.repeat(values[:, :, None], 3, axis=2) / 65535
    picture = read(path)
    assert np.allclose(_hwc(picture), 1 - wanted if photometric == "miniswhite" else wanted, atol=1e-6)
    assert picture.notes == ("16-bit kept",)


def test_16_bit_ppm_says_what_became_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.ppm"
    path.write_bytes(b"P6 13 9 65535\n" + DEEP[:, :, :3].astype(">u2").tobytes())
    picture = read(path)
    assert picture.notes == ("16-bit reduced to 8",)
    assert np.abs(_hwc(picture) - DEEP[:, :, :3] / 65535).max() < 1 / 255
    path.write_bytes(b"P5 13 9 65535\n" + DEEP[:, :, 0].astype(">u2").tobytes())
    picture = read(path)
    assert picture.notes == ("16-bit kept",)
    assert np.allclose(_hwc(picture)[:, :, 0], DEEP[:, :, 0] / 65535, atol=1e-6)


def test_16_bit_with_another_profile_is_reduced(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, DEEP[:, :, :3], photometric="rgb", iccprofile=_gamma_profile(1.0))
    assert read(path).notes == ("colours converted to sRGB from test", "16-bit reduced to 8")
    tifffile.imwrite(path, DEEP[:, :, :3], photometric="rgb", iccprofile=_srgb_profile())
    assert read(path).notes == ("16-bit kept",)


def test_float_files(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6)
    path = tmp_path / "a.tif"
    Image.fromarray(values).save(path)
    assert np.array_equal(_hwc(read(path))[:, :, 2], values)
    for bad in (values * 2, values - 1, np.where(values > 0.5, np.nan, values)):
        Image.fromarray(bad.astype(np.float32)).save(path)
        with pytest.raises(ImageError, match=r"a\.tif: expected finite values in \[0, 1\]"):
            read(path)


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
    assert np.abs(_bytes(picture) - np.asarray(smooth.transpose(Image.Transpose.ROTATE_270))).mean() < 3
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


# --- in memory ---------------------------------------------------------------------------------------------


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.dtype(">u2")]),
        st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 3])),
    )
)
@settings(max_examples=60, deadline=None)
def test_whole_arrays_scale_to_one(values: np.ndarray) -> None:
    picture = read(values)
    wanted = np.broadcast_to(values / np.iinfo(values.dtype).max, (*values.shape[:2], 3))
    assert np.allclose(_hwc(picture), wanted, atol=1e-6)
    assert picture.name == "<array>"
    if values.shape[2] == 1:
        assert torch.equal(read(values[:, :, 0]).pixels, picture.pixels)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.dtype(">f4")])
def test_float_arrays_are_taken_as_they_are(dtype: np.dtype) -> None:
    values = (VALUES / 255).astype(dtype)
    for view in (values, values[::-1, ::2], np.asfortranarray(values)):
        assert np.allclose(_hwc(read(view)), view.astype(np.float32), atol=1e-7)


def test_array_with_alpha_is_flattened() -> None:
    values = np.zeros((2, 2, 4), np.uint8)
    values[0, :, 3] = 255
    picture = read(values)
    assert _hwc(picture)[:, 0, 0].tolist() == [0, 1]
    assert picture.notes == ("transparent, on white",)


@pytest.mark.parametrize(
    "bad",
    [
        np.full((2, 2, 3), 1.5),
        np.full((2, 2, 3), -0.1),
        np.full((2, 2, 3), np.nan),
        np.full((2, 2, 3), np.inf),
        np.zeros((2, 2, 3), np.int32),
        np.zeros((2, 2, 3), bool),
        np.zeros((2, 2, 2)),
        np.zeros((1, 2, 2, 3)),
        np.zeros((0, 2, 3)),
        np.zeros(3),
        torch.full((3, 2, 2), 2.0),
        torch.full((3, 2, 2), float("nan")),
        torch.zeros(3, 2, 2, dtype=torch.int64),
        torch.zeros(2, 3, 2, 2),
        torch.zeros(4, 2, 2),
        torch.zeros(2, 2),
        torch.zeros(3, 0, 2),
        b"bytes",
        None,
        3,
    ],
)
def test_unusable_input_is_refused_in_one_line(bad: object) -> None:
    with pytest.raises(ImageError) as caught:
        read(bad)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_tensors_are_copied() -> None:
    source = torch.rand(1, 3, 4, 5, requires_grad=True)
    picture = read(source)
    assert torch.equal(picture.pixels, source)
    assert not picture.pixels.requires_grad
    picture.pixels.zero_()
    assert float(source.detach().max()) > 0
    assert torch.equal(read(source[0]).pixels, source)
    whole = torch.arange(60, dtype=torch.uint8).reshape(3, 4, 5)
    assert torch.allclose(read(whole).pixels, whole[None] / 255)
    assert read(source).name == "<tensor>"


def test_input_in_memory_is_never_changed() -> None:
    array = np.random.default_rng(4).random((4, 5, 3), dtype=np.float32)
    kept = array.copy()
    read(array).pixels.zero_()
    assert np.array_equal(array, kept)
    image = Image.fromarray(VALUES).convert("P")
    before = image.mode, image.tobytes(), dict(image.info)
    read(image)
    assert (image.mode, image.tobytes(), dict(image.info)) == before


def test_the_same_picture_has_the_same_hash_in_every_form() -> None:
    picture = read(VALUES)
    others = (Image.fromarray(VALUES), torch.from_numpy(VALUES).permute(2, 0, 1), picture.pixels)
    assert {read(other).sha256 for other in others} == {picture.sha256}
    assert read(VALUES.swapaxes(0, 1)).sha256 != picture.sha256
    assert read(np.zeros((2, 3))).sha256 != read(np.zeros((3, 2))).sha256


def test_an_image_in_memory_may_come_from_an_open_file(tmp_path: Path) -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(VALUES).save(file, "PNG", exif=exif)
    with Image.open(file) as image:
        picture = read(image)
    assert picture.name == "<image>"
    assert picture.pixels.shape == (1, 3, 17, 12)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)])
def test_tiny_pictures(tmp_path: Path, size: tuple[int, int]) -> None:
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM"):
        Image.new("RGB", size, "white").save(tmp_path / "a", kind)
        assert tuple(read(tmp_path / "a").pixels.shape) == (1, 3, size[1], size[0])
