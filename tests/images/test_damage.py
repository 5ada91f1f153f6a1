"""What is wrong with a file is said in plain words, and decoders write nothing of their own."""

from __future__ import annotations

import io
import logging
import random
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto.errors import ImageError
from impasto.images import read
from impasto.images.complaints import plain_words
from impasto.images.kinds import format_read, other_kind
from tests.images.pictures import VALUES

CONVERTIBLE = {
    "JPEG XL picture": [b"\xff\x0a" + bytes(range(99)), b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99)],
    "Photoshop file": [b"8BPS\0\1" + bytes(99)],
    "SVG drawing": [b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg"/>'],
    "PDF document": [b"%PDF-1.7\n%\xe2\xe3"],
    "PostScript file": [b"%!PS-Adobe-3.0 EPSF-3.0\n"],
    "FLI animation": [struct.pack("<IH", 200, 0xAF11) + bytes(194)],
    "video": [b"\0\0\0\x18ftypmp42" + bytes(99)],
}
OTHERS = {
    "web page": [b"<!DOCTYPE html>\n<html></html>"],
    "JSON file": [b'{"picture": "a.png"}', b"[1, 2]"],
    "old Office document": [bytes.fromhex("d0cf11e0a1b11ae1") + bytes(99)],
    "ZIP archive or an Office document": [b"PK\x03\x04" + bytes(99)],
    "text file": ["Grüße aus Wien\n".encode() * 3],
}


@pytest.mark.parametrize("kind", [*CONVERTIBLE, *OTHERS])
def test_another_kind_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.jpg"
    for content in (CONVERTIBLE | OTHERS)[kind]:
        path.write_bytes(content)
        with pytest.raises(ImageError) as caught:
            read(path)
        found = str(caught.value)
        assert found.startswith("a.jpg: expected a picture (PNG, ") and f" {kind}" in found
        assert "damaged" not in found
        assert found.endswith(": convert it to PNG first") == (kind in CONVERTIBLE)


def test_tga_is_named(tmp_path: Path) -> None:
    Image.fromarray(VALUES).save(tmp_path / "a.tga")
    with pytest.raises(ImageError, match=r"a\.tga: .* got a TGA picture: convert it to PNG"):
        read(tmp_path / "a.tga")


def saved(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    (image or Image.fromarray(VALUES)).save(file, kind, **options)
    return file.getvalue()


READ = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "PPM", "JPEG2000")


@pytest.mark.parametrize("kind", READ)
def test_a_format_that_is_read_is_recognised(kind: str) -> None:
    assert format_read(saved(kind)) is not None
    assert other_kind(saved(kind)) is None


@pytest.mark.parametrize("kind", READ)
def test_a_file_cut_in_its_header_is_damaged_and_not_unknown(kind: str) -> None:
    with pytest.raises(ImageError, match=r"damaged|cut short"):
        read(saved(kind)[:24])


def test_a_bmp_of_negative_width_is_damaged() -> None:
    data = bytearray(saved("BMP"))
    data[18:22] = struct.pack("<i", -64)
    with pytest.raises(ImageError, match="a width of 1 pixel or more, got a damaged BMP file with -64"):
        read(bytes(data))


def _flipped(data: bytes, seed: int) -> bytes:
    draw, changed = random.Random(seed), bytearray(data)
    for _ in range(6):
        changed[draw.randrange(len(data) // 3, len(data) * 2 // 3)] ^= 255
    return bytes(changed)


LARGER = Image.fromarray(VALUES).resize((340, 240), Image.Resampling.NEAREST)


@pytest.mark.parametrize(("kind", "compression"), [("TIFF", "group4"), ("TIFF", "jpeg"), ("JPEG", None)])
def test_damage_that_a_decoder_saw_is_refused_or_noted_once(
    kind: str, compression: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    if kind == "JPEG":
        pytest.importorskip("pyvips")
    image = LARGER.convert("1") if compression == "group4" else LARGER
    whole = saved(kind, image, **({"compression": compression} if compression else {}))
    assert read(whole).notes == ()
    seen = 0
    for seed in range(6):
        try:
            seen += read(_flipped(whole, seed)).notes.count("file is damaged, read as far as possible")
        except ImageError as error:
            seen += "damaged file" in str(error)
    assert seen >= 4
    assert capfd.readouterr() == ("", "")


def test_pillows_log_is_a_note_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    load = Image.Image.load

    def complaining(image: Image.Image) -> object:
        logging.getLogger("PIL.TiffImagePlugin").error("More samples per pixel than can be decoded: %s", 9)
        return load(image)

    monkeypatch.setattr(Image.Image, "load", complaining)
    (note,) = read(Image.fromarray(VALUES)).notes
    assert note.startswith("file is damaged, read as far as possible: ")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("jargon", "plain"),
    [
        ("decoder error -2", "its pixel data are broken"),
        ("broken data stream when reading image file", "its pixel data are broken"),
        ("tile cannot extend outside image", "its stated size does not fit its pixels"),
        ("Decompressed data too large for PngImagePlugin.MAX_TEXT_CHUNK", "a text in it is too long"),
        ("unpack requires a buffer of 4 bytes", "it is cut short"),
        ("image file is truncated (7 bytes not processed)", "it is cut short"),
        ("Corrupt EXIF data.  Expecting to read 2 bytes but only got 0. ", "its metadata are damaged"),
        ("what is this", "the decoder said: what is this"),
    ],
)
def test_jargon_is_translated(jargon: str, plain: str) -> None:
    assert plain_words(OSError(jargon)) == plain


def test_a_heic_of_two_pictures_is_noted() -> None:
    heif = pytest.importorskip("pillow_heif")
    both = heif.from_pillow(Image.fromarray(VALUES).resize((64, 64)))
    both.add_from_pillow(Image.new("RGB", (64, 64), "blue"))
    file = io.BytesIO()
    both.save(file)
    assert "first of 2 frames used" in read(file).notes


def test_a_deep_heic_is_read_deep() -> None:
    heif = pytest.importorskip("pillow_heif")
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64, 1).repeat(3, 2).astype(np.uint16)
    file = io.BytesIO()
    heif.from_bytes(mode="RGB;16", size=(64, 64), data=ramp.tobytes()).save(file, quality=-1)
    picture = read(file)
    assert "10-bit kept" in picture.notes
    values = picture.pixels[0].permute(1, 2, 0).numpy()
    assert np.abs(values - ramp / 65535).max() < 0.02
    assert len(np.unique(values)) > 300


def test_a_deep_avif_is_noted() -> None:
    data = bytearray(saved("AVIF"))
    at = data.index(b"av1C")
    assert not any("-bit" in note for note in read(bytes(data)).notes)
    data[at + 6] |= 0x40
    try:
        assert "10-bit reduced to 8" in read(bytes(data)).notes
    except ImageError:
        pytest.skip("this decoder insists that the header is right")
