"""Pictures are turned as Pillow turns them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto.images import read
from tests.images.pictures import VALUES, eight_bits


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
    assert np.array_equal(eight_bits(read(path)), wanted)
