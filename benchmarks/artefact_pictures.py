"""The pictures of docs/artefacts.md: details of coffee.png of scikit-image painted in several ways, enlarged.

    python benchmarks/artefact_pictures.py [--figures borders grey …]

Each command is printed as it runs. What is painted already lies in benchmarks/.pictures and is not painted again.
"""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from impasto.swatches import paint

HERE = Path(__file__).parent
PICTURES = HERE / ".pictures" / "artefacts"
DOCS = HERE.parent / "docs" / "images"


@dataclass(frozen=True)
class Figure:
    """Details side by side.

    Attributes:
        swatch: the style.
        detail: left, top, width and height in pixels of the painting.
        zoom: how many times it is enlarged, pixel by pixel.
        ways: options of `impasto stylize`, from left to right.
    """

    swatch: str
    detail: tuple[int, int, int, int]
    zoom: int
    ways: tuple[str, ...]


FIGURES = {
    "borders": Figure(
        "strokes",
        (0, 0, 72, 64),
        4,
        (
            "--size 256 --quality draft --margin 0",
            "--size 256 --quality draft --margin 0 --padding reflect",
            "--size 256 --quality draft",
        ),
    ),
    "grey": Figure(
        "strokes",
        (116, 16, 72, 64),
        4,
        (
            "--size 192 --margin 0 --optimizer adam --steps 150",
            "--size 192 --margin 0 --optimizer adam --learning-rate 1 --steps 150",
            "--size 192 --margin 0 --steps 150",
        ),
    ),
    "checkerboard": Figure(
        "strokes",
        (80, 20, 72, 64),
        4,
        (
            "--size 192 --preset neural-style --faithful --steps 100",
            "--size 192 --preset neural-style --faithful --steps 100 --pooling max-blur",
            "--size 192 --margin 0 --steps 150",
        ),
    ),
}


def painted(figure: Figure, way: str) -> Image.Image:
    """The detail of one painting, enlarged."""
    photograph, style = PICTURES / "photo.png", PICTURES / f"{figure.swatch}.png"
    if not photograph.exists():
        spec = importlib.util.find_spec("skimage")
        if spec is None or spec.origin is None:
            sys.exit("scikit-image, which has the photograph, is not installed")
        photograph.write_bytes((Path(spec.origin).parent / "data" / "coffee.png").read_bytes())
    if not style.exists():
        Image.fromarray(paint(figure.swatch)).save(style)
    output = PICTURES / f"{figure.swatch} {way}.png"
    command = ["stylize", photograph.name, style.name, *shlex.split(way), "-o", output.name]
    print("impasto", shlex.join(command), flush=True)
    if not output.exists():
        module = [sys.executable, "-m", "impasto.apps.cli.__main__"]
        subprocess.run([*module, *command], check=True, cwd=PICTURES, stdout=subprocess.DEVNULL)
    left, top, width, height = figure.detail
    with Image.open(output) as opened:
        detail = opened.convert("RGB").crop((left, top, left + width, top + height))
    return detail.resize((width * figure.zoom, height * figure.zoom), Image.Resampling.NEAREST)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--figures", nargs="+", default=list(FIGURES), choices=list(FIGURES))
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name in parser.parse_args().figures:
        details = [painted(FIGURES[name], way) for way in FIGURES[name].ways]
        gap = 8
        width = sum(each.width for each in details) + gap * (len(details) - 1)
        sheet = Image.new("RGB", (width, details[0].height), "white")
        for number, each in enumerate(details):
            sheet.paste(each, (number * (each.width + gap), 0))
        sheet.save(DOCS / f"artefacts-{name}.png", optimize=True)


if __name__ == "__main__":
    main()
