"""Which artefacts do pictures have, and what removes them? Each in a number, beside the photograph's and the style's.

    python benchmarks/artefacts.py --images DIR [--size 256] [--ways default …] [--pairs 3]

Every way of painting is given to each pair of pictures. What is painted already is in results/artefacts.json and not
painted again; the pictures lie in benchmarks/.pictures, to be looked at.

- **pixels**: the share of the gradient's energy in waves shorter than 2.5 pixels. Noise of single pixels and
  checkerboards are there; a smooth picture has nearly nothing.
- **grid**: by how much edges are stronger at some places of a grid of 2, 4, 8 or 16 pixels than at others, as a
  deviation from the mean, the most of the four. Poolings have such grids; photographs do not.
- **haze**: the share of the pixels' colourfulness that is gone in the mean of 8 × 8 of them. Coloured noise is grey
  from farther off.
- **edge**: by how much the mean colour of the outermost two pixels differs from that of the fifth to eighth, beside
  what two such lines within the picture differ by. 1 where nothing tells a side from any other line.
- **band**: the gradient's energy in the outer 16 pixels beside that within, divided by the same of the photograph.
- **loss**, **content**: the default preset's and its content term, of the saved picture, by the network as trained.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto import images
from impasto.color import oklab
from impasto.geometry import Size, fit, resize
from impasto.transfer.api import make_session
from machine import machine
from pairs import PAIRS, paths

RESULTS = Path(__file__).parent / "results" / "artefacts.json"
PICTURES = Path(__file__).parent / ".pictures"
GRIDS = (2, 4, 8, 16)
_SHORT = 0.4  # cycles a pixel

# All but the default without its margin, so that what is at the edges is the padding's doing.
_NO_MARGIN: dict[str, dict[str, Any]] = {
    "no margin": {},
    "max-blur": {"pooling": "max-blur"},
    "average": {"pooling": "average"},
    "replicate": {"padding": "replicate"},
    "replicate-first": {"padding": "replicate-first"},
    "reflect": {"padding": "reflect"},
    "max-blur, reflect": {"pooling": "max-blur", "padding": "reflect"},
    "adam": {"optimizer": "adam"},
    "noise": {"init": "noise"},
    "noise, adam": {"init": "noise", "optimizer": "adam"},
}
WAYS = {"default": {}} | {name: {"margin": 0, **given} for name, given in _NO_MARGIN.items()}


def lightness(picture: Tensor) -> Tensor:
    """(H, W) of (1, 3, H, W)."""
    return oklab(picture)[0, 0]


def pixels(picture: Tensor) -> float:
    """The share of the gradient's energy that is in waves shorter than 2.5 pixels."""
    light = lightness(picture)
    height, width = light.shape
    window = torch.hann_window(height)[:, None] * torch.hann_window(width)
    power = torch.fft.rfft2((light - light.mean()) * window).abs().square()
    rows, columns = torch.fft.fftfreq(height)[:, None].abs(), torch.fft.rfftfreq(width)
    gradient = power * (rows.square() + columns.square())
    return float(gradient[torch.maximum(rows, columns.expand(height, -1)) > _SHORT].sum() / gradient.sum())


def grid(picture: Tensor) -> float:
    """The most that the strength of edges deviates between the places of a grid, over four grids."""
    light = lightness(picture)
    return max(_periodic(each, period) for each in (light, light.T) for period in GRIDS)


def _periodic(light: Tensor, period: int) -> float:
    """Deviation of the columns' edges, beside what they are around, over their places in the period."""
    edges = light.diff(dim=1).abs().mean(0)
    around = F.avg_pool1d(edges[None, None], 2 * period + 1, 1, period, count_include_pad=False)[0, 0]
    relative = edges / around.clamp(min=1e-6)
    places = [relative[place::period].mean() for place in range(period)]
    # By chance a mean of n columns deviates by their own deviation / √n.
    chance = relative.var() * period / len(relative)
    return float((torch.stack(places).var() - chance).clamp(min=0).sqrt())


def haze(picture: Tensor) -> float:
    """The mean share of the chroma of pixels that their mean colour lacks, in squares of 8 × 8."""
    colours = oklab(picture)[:, 1:]
    mean = F.avg_pool2d(colours, 8).norm(dim=1)
    each = F.avg_pool2d(colours.norm(dim=1), 8)
    return float((1.0 - mean / each.clamp(min=1e-6)).mean())


def edge(picture: Tensor) -> float:
    """How far the outermost two pixels' mean colour is from that of the fifth to eighth, beside lines within."""
    lab = oklab(picture)[0]
    found = [_lines(lines) for lines in (lab.mean(1), lab.mean(1).flip(1), lab.mean(2), lab.mean(2).flip(1))]
    return float(torch.stack([each[0] for each in found]).mean() / torch.cat(found).median())


def _lines(colours: Tensor) -> Tensor:
    """(n,): the distance of each two lines' mean colour from that of the four behind the next two; (3, m) lines."""
    two, four = F.avg_pool1d(colours, 2, 1), F.avg_pool1d(colours, 4, 1)
    return (two[:, : four.shape[1] - 4] - four[:, 4:]).norm(dim=0)


def band(picture: Tensor) -> float:
    """The gradient's energy in the outer 16 pixels, beside that within."""
    light = lightness(picture)
    energy = light.diff(dim=0)[:, 1:].square() + light.diff(dim=1)[1:].square()
    inside = energy[16:-16, 16:-16]
    outside = (energy.sum() - inside.sum()) / (energy.numel() - inside.numel())
    return float(outside / inside.mean())


def measured(picture: Tensor, photo: Tensor | None = None) -> dict[str, float]:
    """Every number of a picture (1, 3, H, W) in [0, 1]; beside the photograph's where that is what it means."""
    found = {"pixels": pixels(picture), "grid": grid(picture), "haze": haze(picture), "edge": edge(picture)}
    found["band"] = band(picture) / (1.0 if photo is None else band(photo))
    return {name: round(value, 4) for name, value in found.items()}


class Pictures:
    """Paints pairs in several ways and measures, keeping what has been done."""

    def __init__(self, folder: Path, size: int, quality: str) -> None:
        self._folder, self._size, self._quality = folder, size, quality
        self._found = json.loads(RESULTS.read_text())["found"] if RESULTS.exists() else {}
        self.table: dict[str, Any] = self._found.setdefault(f"{size} pixels, {quality}", {})

    def own(self, content: str) -> dict[str, Tensor]:
        """The photograph and the style at the size that is painted."""
        found = {}
        for name, path in zip(("photograph", "style"), paths(self._folder, content), strict=True):
            picture = images.read(path).pixels
            size: Size = (picture.shape[-2], picture.shape[-1])
            found[name] = resize(picture, fit(size, self._size, "long")).clamp(0, 1)
        return found

    def add(self, content: str, way: str) -> None:
        """Paint a pair in one way, and measure."""
        row = self.table.setdefault(content, {})
        own = self.own(content)
        for name, picture in own.items():
            row.setdefault(name, measured(picture))
        if way not in row:
            given = {"size": self._size, "quality": self._quality}
            session = make_session(*paths(self._folder, content), {**given, **WAYS[way]})
            before = resource.getrusage(resource.RUSAGE_SELF)
            for last in session:  # noqa: B007  # the last one is what is wanted
                pass
            after = resource.getrusage(resource.RUSAGE_SELF)
            image = session.result(last).image.cpu()
            name = f"artefacts-{self._size}-{content}-{way.replace(', ', '-').replace(' ', '-')}.png"
            images.write(PICTURES / name, image)
            judge = make_session(*paths(self._folder, content), {"size": self._size}).evaluate()
            judged = judge(image.to(session.device), with_gradient=False)
            row[way] = measured(image, own["photograph"]) | {
                "loss": round(judged.loss, 4),
                "content": round(judged.terms["content relu4_2"], 4),
                "processor_seconds": round(
                    after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1
                ),
            }
            print(self._size, content, way, row[way], flush=True)
        self.save()

    def save(self) -> None:
        RESULTS.write_text(
            json.dumps(
                {"machine": machine(), "pairs": PAIRS, "found": self._found, "means": means(self._found)},
                indent=1,
            )
            + "\n"
        )


def means(found: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """Table -> way -> number -> its mean over the pairs that have it."""
    tables: dict[str, dict[str, dict[str, float]]] = {}
    for title, table in found.items():
        ways = dict.fromkeys(way for row in table.values() for way in row)
        for way in ways:
            rows = [row[way] for row in table.values() if way in row]
            mean = {name: round(statistics.fmean(row[name] for row in rows), 4) for name in rows[0]}
            tables.setdefault(title, {})[way] = mean | {"pairs": len(rows)}
    return tables


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True, help="a folder with content/ and style/")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--quality", default="draft")
    parser.add_argument("--pairs", type=int, default=len(PAIRS))
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    given = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    pictures = Pictures(given.images, given.size, given.quality)
    for way in given.ways:
        for content in list(PAIRS)[: given.pairs]:
            pictures.add(content, way)
    print(json.dumps(means({given.size: pictures.table}), indent=1))


if __name__ == "__main__":
    main()
