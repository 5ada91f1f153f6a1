"""Pack training pictures into one archive, small enough to copy to another machine.

python -m impasto.feedforward.training.pack -o DIR --photos DIR --art DIR --contents FILE... --styles FILE...
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from impasto import swatches
from impasto.errors import ImpastoError
from impasto.feedforward.training import archive
from impasto.feedforward.training.archive import Entry

# Long side in pixels, and WebP's quality: fine detail matters more in a style than in a content.
_PHOTO, _STYLE, _SWATCH, _TEST = (384, 76), (448, 82), (384, 80), (512, 88)


def chosen(
    photos: Path, art: Path, *, seeds: int, contents: Sequence[Path], styles: Sequence[Path]
) -> Iterator[Entry]:
    """The pictures of an archive.

    Args:
        photos, art: folders of training pictures.
        seeds: number of swatches to generate per medium.
        contents, styles: pictures for sample sheets only.
    """
    for folder, name, (side, quality) in ((photos, "photos", _PHOTO), (art, "art", _STYLE)):
        for path in archive.files(folder):
            yield Entry(f"{name}/{path.stem}", path, side, quality)
    for medium in swatches.SWATCHES:
        for seed in range(seeds):
            picture = swatches.paint(medium, size=_SWATCH[0], seed=seed)
            yield Entry(f"swatches/{medium}-{seed}", picture, *_SWATCH)
    for name, paths in (("content", contents), ("style", styles)):
        for path in paths:
            yield Entry(f"test/{name}-{path.stem}", path, *_TEST)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m impasto.feedforward.training.pack", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the archive")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--art", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5, help="swatches of each medium (default: %(default)s)")
    parser.add_argument("--contents", type=Path, nargs="*", default=[])
    parser.add_argument("--styles", type=Path, nargs="*", default=[])
    given = parser.parse_args()
    pictures = chosen(
        given.photos, given.art, seeds=given.seeds, contents=given.contents, styles=given.styles
    )
    try:
        given.output.mkdir(parents=True, exist_ok=True)
        path = given.output / archive.NAME
        count, skipped = archive.write(path, pictures)
    except (ImpastoError, OSError) as error:
        sys.stderr.write(f"pack: {error}\n")
        return 2
    for line in skipped:
        sys.stderr.write(f"skipped {line}\n")
    sys.stdout.write(f"{path}: {count} pictures, {path.stat().st_size / 1e6:.1f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
