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
from impasto.images import read
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
