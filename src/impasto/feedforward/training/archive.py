"""Pictures to train on, in one file: a tar archive of WebP pictures, in folders that say what each is for.

=========== ==========================================================
photos/     photographs to be painted; some also serve as styles
art/        styles
swatches/   styles that impasto painted itself
test/       content- and style-… for sample sheets, never trained on
=========== ==========================================================
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import PIL.Image

from impasto.errors import ImageError, InputError
from impasto.files import replacing

Picture = npt.NDArray[np.uint8]

NAME = "pictures.tar"
"""What the archive is called in its folder."""


@dataclass(frozen=True)
class Kept:
    """A picture on its way into an archive.

    Attributes:
        side: the longest it may be, in pixels; a smaller one stays as it is.
        quality: of WebP, 1 to 100.
    """

    name: str
    source: Path | Picture
    side: int
    quality: int


def write(path: Path, pictures: Iterable[Kept]) -> tuple[int, list[str]]:
    """Write an archive, whole or not at all.

    Returns:
        How many pictures it has, and a line for each that could not be read.

    Raises:
        OSError: the file system refuses.
    """
    count, skipped = 0, []
    with (
        replacing(path) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive,
        ThreadPoolExecutor(os.cpu_count()) as threads,
    ):
        for name, encoded in threads.map(_encoded, pictures):
            if isinstance(encoded, str):
                skipped.append(f"{name}: {encoded}")
                continue
            # No time, owner or mode: the same pictures give the same bytes.
            member = tarfile.TarInfo(f"{name}.webp")
            member.size = len(encoded)
            archive.addfile(member, io.BytesIO(encoded))
            count += 1
    return count, skipped


def read(path: Path) -> dict[str, dict[str, Picture]]:
    """Decode an archive: folder -> name -> (H, W, 3) uint8, sRGB. What cannot be decoded is left out.

    Raises:
        ImageError: no such archive, damaged, or with nothing in it that can be decoded.
    """
    try:
        with tarfile.open(path) as archive:
            members = [(member.name, _contents(archive, member)) for member in archive if member.isfile()]
    except (OSError, tarfile.TarError) as error:
        raise ImageError(f"pictures {path}: cannot be read: {error}") from error
    found: dict[str, dict[str, Picture]] = {}
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for name, picture in threads.map(_decoded, members):
            if picture is not None:
                folder, _, stem = name.rpartition("/")
                found.setdefault(folder, {})[stem.removesuffix(".webp")] = picture
    if not found:
        raise ImageError(f"pictures {path}: expected at least one that can be decoded, got none")
    return found


def _contents(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    return cast("io.BufferedReader", archive.extractfile(member)).read()


def _encoded(kept: Kept) -> tuple[str, bytes | str]:
    """A picture's name, and it encoded or the reason why not."""
    try:
        picture = (
            PIL.Image.open(kept.source) if isinstance(kept.source, Path) else PIL.Image.fromarray(kept.source)
        )
        picture = picture.convert("RGB")
        picture.thumbnail((kept.side, kept.side), PIL.Image.Resampling.LANCZOS)
    except (OSError, ValueError, PIL.Image.DecompressionBombError) as error:
        return kept.name, str(error)
    out = io.BytesIO()
    picture.save(out, "webp", quality=kept.quality, method=5)
    return kept.name, out.getvalue()


def _decoded(member: tuple[str, bytes]) -> tuple[str, Picture | None]:
    name, encoded = member
    try:
        with PIL.Image.open(io.BytesIO(encoded)) as picture:
            return name, np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, PIL.Image.DecompressionBombError):
        return name, None


def files(folder: Path) -> Iterator[Path]:
    """The pictures in a folder, by name.

    Raises:
        InputError: it is not there, or has none.
    """
    found = sorted(
        path for path in folder.glob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp")
    )
    if not found:
        raise InputError(f"folder {folder}: expected pictures (.jpg, .png, .webp), got none")
    yield from found
