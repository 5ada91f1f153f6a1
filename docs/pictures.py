"""Makes the pictures that pages of this folder show, by the commands that stand in them.

    python docs/pictures.py [--folder DIR] [gallery.md regions.md …]

The ```sh blocks of the pages are run in order, all in one folder; a block that has been run there before and has not
changed is not run again. What a page shows as images/…/NAME.jpg is then made from the folder's NAME.png.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import PIL.Image

DOCS = Path(__file__).parent
PAGES = ("gallery.md", "regions.md", "style-losses.md")  # the first makes the photograph and the styles
MOST_BYTES = 110_000


def run(block: str, folder: Path) -> None:
    """Runs the commands unless they have been run there."""
    done = folder / "done"
    mark = hashlib.sha256(block.encode()).hexdigest()
    if done.exists() and mark in done.read_text():
        return
    print(block, flush=True)
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    subprocess.run(["sh", "-e", "-c", block], check=True, cwd=folder, env={**os.environ, "PATH": path})
    with done.open("a") as file:
        file.write(mark + "\n")


def show(shown: Path, folder: Path) -> None:
    """Saves a page's picture, as good as it can be in so many bytes, if the folder has it."""
    made = folder / f"{shown.stem}.png"
    if not made.exists():
        return
    shown.parent.mkdir(parents=True, exist_ok=True)
    with PIL.Image.open(made) as picture:
        picture.load()
    for quality in range(90, 30, -4):
        picture.save(shown, quality=quality)
        if shown.stat().st_size <= MOST_BYTES:
            break
    print(shown, f"{shown.stat().st_size // 1000} kB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=DOCS / ".pictures")
    parser.add_argument("pages", nargs="*", default=PAGES)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for name in given.pages:
        page = (DOCS / name).read_text()
        for block in re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
            run(block, given.folder)
        for shown in re.findall(r"!\[[^\]]*\]\((images/[^)]+)\)", page):
            show(DOCS / shown, given.folder)


if __name__ == "__main__":
    main()
