"""Pictures in memory: arrays, tensors and Pillow's images."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from impasto.errors import ImageError
from impasto.images import as_list, read
from tests.images.pictures import VALUES, hwc


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
    assert np.allclose(hwc(picture), wanted, atol=1e-6)
    assert picture.name == "<array>"
    if values.shape[2] == 1:
        assert torch.equal(read(values[:, :, 0]).pixels, picture.pixels)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.dtype(">f4")])
def test_float_arrays_are_taken_as_they_are(dtype: np.dtype) -> None:
    values = (VALUES / 255).astype(dtype)
    for view in (values, values[::-1, ::2], np.asfortranarray(values)):
        assert np.allclose(hwc(read(view)), view.astype(np.float32), atol=1e-7)


def test_array_with_alpha_is_flattened() -> None:
    values = np.zeros((2, 2, 4), np.uint8)
    values[0, :, 3] = 255
    picture = read(values)
    assert hwc(picture)[:, 0, 0].tolist() == [0, 1]
    assert picture.notes == ("transparent pixels composited over white",)


@pytest.mark.parametrize(
    "bad",
    [
        np.full((2, 2, 3), 1.5),
        np.full((2, 2, 3), -0.1),
        np.full((2, 2, 3), np.nan),
        np.full((2, 2, 3), np.inf),
        np.full((2, 2, 3), 256, np.int32),
        np.full((2, 2, 3), -1, np.int8),
        np.zeros((2, 2, 3), complex),
        np.zeros((2, 2, 3), object),
        np.ma.masked_array(np.zeros((2, 2, 3))),
        np.zeros((3, 8, 9)),
        np.zeros((2, 2, 2, 3)),
        np.zeros((0, 2, 3)),
        np.zeros(3),
        torch.full((3, 2, 2), 2.0),
        torch.full((3, 2, 2), float("nan")),
        torch.full((3, 2, 2), 300, dtype=torch.int64),
        torch.zeros(2, 3, 2, 2),
        torch.zeros(8, 9, 3),
        torch.zeros(3, 2, 2, dtype=torch.complex64),
        torch.zeros(3, 2, 2, device="meta"),
        torch.zeros(2, 2).to_sparse(),
        torch.zeros(3, 0, 2),
        b"bytes",
        b"",
        io.StringIO("text"),
        [[0, 1], [1, 0]],
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


GREY = VALUES[:, :, 0]
GREY_ALPHA, RGBA = VALUES[:, :, :2], np.dstack([VALUES, 255 - VALUES[:, :, :1]])


@pytest.mark.parametrize("values", [GREY, GREY[:, :, None], GREY_ALPHA, VALUES, RGBA])
@pytest.mark.parametrize("batched", [False, True])
def test_arrays_and_tensors_of_every_form_are_the_same_picture(values: np.ndarray, batched: bool) -> None:
    planes = values if values.ndim == 2 else values.transpose(2, 0, 1)
    if batched and values.ndim == 3:
        values, planes = values[None], planes[None]
    wanted = read(values)
    plain = np.ascontiguousarray(planes)
    for tensor in (plain, plain.astype(np.int64), plain.astype(np.uint16) * 257, (plain / 255).astype("f4")):
        found = read(torch.from_numpy(tensor))
        assert torch.allclose(found.pixels, wanted.pixels, atol=1e-6)
        assert (found.alpha is None) == (wanted.alpha is None)
    for array in (values.astype(np.int32), values.astype(np.uint16) * 257, values / 255):
        assert torch.allclose(read(array).pixels, wanted.pixels, atol=1e-6)
    assert torch.equal(read(torch.from_numpy(plain > 99)).pixels, read(values > 99).pixels)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_matrix_is_a_grey_picture() -> None:
    assert torch.equal(read(np.matrix(GREY)).pixels, read(GREY).pixels)


def test_a_files_content_is_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(VALUES).save(path)
    wanted = read(path)
    opened = io.BytesIO(path.read_bytes())
    opened.seek(9)
    with path.open("rb") as file:
        for source in (path.read_bytes(), bytearray(path.read_bytes()), opened, file):
            found = read(source)
            assert torch.equal(found.pixels, wanted.pixels)
            assert (found.name, found.sha256) == ("<bytes>", wanted.sha256)


def test_one_picture_or_several() -> None:
    for one in (VALUES, Image.fromarray(VALUES), torch.zeros(3, 4, 4), "a.png", Path("a.png"), b"a"):
        assert as_list(one)[0] is one
        assert len(as_list(each for each in (one, one))) == 2


@pytest.mark.parametrize("kind", ["I", "F"])
def test_32_bit_grey_up_to_255_is_scaled(kind: str) -> None:
    picture = read(Image.fromarray(GREY.astype(np.int32 if kind == "I" else np.float32)))
    assert torch.allclose(picture.pixels, read(GREY).pixels, atol=1e-6)
    assert picture.notes == ("32-bit values up to 255, taken as 8-bit grey levels",)
