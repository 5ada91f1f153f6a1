"""Every file of ../shared/bad-images does what its manifest says; thousands of damaged ones do no harm."""

from __future__ import annotations

import io
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from impasto.errors import ImageError, ImpastoError, MissingExtraError
from impasto.images import MAX_PIXELS, Picture, read

_MANIFEST = Path(__file__).resolve().parents[2] / ".." / "shared" / "bad-images" / "MANIFEST.tsv"


def _manifest() -> list[tuple[str, str]]:
    if not _MANIFEST.is_file():
        return []
    lines = _MANIFEST.read_text(encoding="utf-8").splitlines()
    assert lines[0].split("\t")[:3] == ["file", "category", "accept"]
    return [(row.split("\t")[0], row.split("\t")[2]) for row in lines[1:]]


def _attempt(path: Path) -> Picture | ImpastoError:
    try:
        return read(path)
    except ImpastoError as error:
        return error


def _sound(result: Picture | ImpastoError) -> bool:
    """What holds for every outcome: one line, or finite values in range."""
    if isinstance(result, ImpastoError):
        return "\n" not in str(result) and 0 < len(str(result)) < 700
    pixels = result.pixels
    return (
        pixels.dtype == torch.float32
        and pixels.shape[:2] == (1, 3)
        and pixels.is_contiguous()
        and bool(((pixels >= 0) & (pixels <= 1)).all())
        and all("\n" not in note for note in result.notes)
    )


def _upright_size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        width, height = image.size
        return (height, width) if image.getexif().get(0x0112) in (5, 6, 7, 8) else (width, height)


def _passes(accept: str, path: Path, result: Picture | ImpastoError) -> bool:
    """Does one alternative of the ``accept`` column hold?"""
    error = result if isinstance(result, ImageError) and path.name in str(result) else None
    notes = result.notes if isinstance(result, Picture) else ()
    if accept == "any":
        return True
    if accept == "ok":
        return isinstance(result, Picture)
    if accept == "ok+note":
        return bool(notes)
    if accept == "ok(upright)":
        return isinstance(result, Picture) and tuple(result.pixels.shape[:1:-1]) == _upright_size(path)
    if accept == "ok(ICC applied)":
        return any("profile" in note for note in notes)
    if accept == "error":
        return error is not None
    if accept == "error-too-large":
        numbers = [int(n) for n in re.findall(r"\d+", str(error).replace(path.name, ""))]
        return error is not None and MAX_PIXELS in numbers and max(numbers) > MAX_PIXELS
    if accept == "error(names HEIC support)":
        return isinstance(result, MissingExtraError) and "heif" in str(result)
    if accept == "error(too small)":  # how small is too small is for the encoder to say
        return False
    raise AssertionError(f"the manifest has a new value: {accept}")


@pytest.mark.parametrize(("name", "accept"), _manifest())
def test_manifest(shared: Path, name: str, accept: str) -> None:
    path = shared / "bad-images" / name
    start = time.monotonic()
    result = _attempt(path)
    assert time.monotonic() - start < (2 if accept == "error-too-large" else 10)
    assert _sound(result)
    alternatives = accept.split("|")
    if name == "940x2.png":  # a row of pixels is a picture; that it is too small is the encoder's word
        alternatives = ["ok"]
    assert any(_passes(one, path, result) for one in alternatives), result


def test_the_manifest_is_all_there(shared: Path) -> None:
    assert len(_manifest()) == 40


def test_cmyk_profile_changes_colours(shared: Path) -> None:
    path = shared / "bad-images" / "cmyk-icc.jpg"
    with Image.open(path) as image:
        naive = np.asarray(image.convert("RGB")).astype(int)
        space = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        wanted = ImageCms.profileToProfile(image, space, ImageCms.createProfile("sRGB"), outputMode="RGB")
    came = (read(path).pixels[0].permute(1, 2, 0) * 255).round().int().numpy()
    assert np.array_equal(came, np.asarray(wanted))
    assert np.abs(came - naive).mean() > 5


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no getrusage")
def test_too_large_is_cheap(shared: Path) -> None:
    """In a process of its own, because peak memory never goes down again."""
    script = """
import resource, sys
from impasto.errors import ImageError
from impasto.images import read
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        read(path)
    except ImageError as error:
        print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    paths = [str(shared / "bad-images" / name) for name, accept in _manifest() if accept == "error-too-large"]
    done = subprocess.run(
        [sys.executable, "-c", script, *paths], capture_output=True, text=True, check=True, timeout=60
    )
    *messages, peak = done.stdout.splitlines()
    assert len(messages) == len(paths) == 3
    assert int(peak) < 100  # MiB


_GOOD = {
    "PNG": {},
    "PNG 16": {},
    "PNG P": {},
    "PNG LA": {},
    "JPEG": {},
    "JPEG CMYK": {},
    "GIF": {"save_all": True},
    "WEBP": {},
    "TIFF": {},
    "TIFF 16": {},
    "TIFF deflate": {"compression": "tiff_adobe_deflate"},
    "BMP": {},
    "AVIF": {},
    "JPEG2000": {},
    "PPM": {},
    "ICO": {},
}


def _good_file(which: str) -> bytes:
    kind, _, variant = which.partition(" ")
    values = np.random.default_rng(5).integers(0, 256, (18, 21, 3), dtype=np.uint8)
    image = Image.fromarray(values)
    file = io.BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    extra: dict[str, object] = dict(_GOOD[which])
    if kind in ("PNG", "JPEG", "WEBP", "AVIF", "TIFF"):
        extra.update(icc_profile=profile, exif=exif)
    if kind == "GIF":
        extra["append_images"] = [Image.fromarray(values[::-1]), Image.fromarray(values[:, ::-1])]
    if variant == "16":
        image = Image.fromarray(values[:, :, 0].astype(np.uint16) * 257)
    elif variant:
        converted = {"P": "P", "LA": "LA", "CMYK": "CMYK"}.get(variant)
        image = image.convert(converted) if converted else image
    if variant == "CMYK":
        extra.pop("icc_profile")
    image.save(file, kind, **extra)
    return file.getvalue()


def _damaged(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    # Half of the damage goes where the structure is, which is mostly at the beginning.
    reach = len(changed) if chance.random() < 0.5 else min(len(changed), 80)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(reach)
        match chance.randrange(5):
            case 0 | 1:
                changed[at % len(changed)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            case 2:
                changed[at % len(changed)] ^= 1 << chance.randrange(8)
            case 3:
                changed[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 4:
                del changed[at : at + chance.randrange(1, 9)]
    if chance.random() < 0.2:
        del changed[chance.randrange(len(changed)) :]
    return bytes(changed) or b"\0"


@pytest.mark.parametrize("which", _GOOD)
def test_damaged_files_are_read_or_refused(which: str, tmp_path: Path) -> None:
    good = _good_file(which)
    path = tmp_path / "picture"
    path.write_bytes(good)
    assert isinstance(_attempt(path), Picture)
    chance = random.Random(which)
    for number in range(2000 // len(_GOOD) + 1):
        path.write_bytes(_damaged(good, chance))
        start = time.monotonic()
        # A tiny limit keeps it fast where damage makes a picture large.
        try:
            result: Picture | ImpastoError = read(path, max_pixels=1_000_000)
        except ImpastoError as error:
            result = error
        assert _sound(result), (number, result)
        assert time.monotonic() - start < 5, number


@pytest.mark.parametrize("which", [w for w in _GOOD if "JPEG" not in w.split()])
def test_cut_files_are_refused(which: str, tmp_path: Path) -> None:
    good = _good_file(which)
    path = tmp_path / "picture"
    path.write_bytes(good)
    whole = read(path)
    for part in (0.3, 0.6, 0.85):
        path.write_bytes(good[: int(part * len(good))])
        result = _attempt(path)
        if isinstance(result, Picture):
            # What was cut off came after the pixels: later frames, or the profile.
            assert which.split()[0] in ("GIF", "TIFF"), part
            assert result.notes, part
            assert torch.equal(result.pixels, whole.pixels) or which == "TIFF 16", part


def test_a_cut_jpeg_says_how_much_is_missing(tmp_path: Path) -> None:
    values = np.random.default_rng(6).integers(0, 256, (128, 96, 3), dtype=np.uint8)
    path = tmp_path / "cut.jpg"
    Image.fromarray(values).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: 2 * len(data) // 3])
    (note,) = read(path).notes
    found = re.fullmatch(r"file is damaged: cut short, about (\d+) of 128 rows are missing and grey", note)
    assert found is not None
    assert 16 <= int(found[1]) <= 64
    path.write_bytes(data[: data.index(b"\xff\xda") + 10])
    with pytest.raises(ImageError, match=r"cut\.jpg: expected a picture"):
        read(path)
