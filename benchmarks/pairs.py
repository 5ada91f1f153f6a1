"""The pairs of pictures that several benchmarks paint, and where they lie in a folder with content/ and style/."""

from __future__ import annotations

from pathlib import Path

PAIRS = {
    "tubingen": "starry_night_google",
    "golden_gate": "vg_la_cafe",
    "lion": "wave_crop",
    "city_day_1": "mosaic",
    "hoovertowernight": "the_scream",
}
"""Content -> style."""


def file_of(images: Path, name: str) -> Path:
    """The file of that name, such as content/lion, whatever its suffix."""
    return next((images / name).parent.glob(f"{Path(name).name}.*"))


def paths(images: Path, content: str) -> list[Path]:
    """Content and style of a pair."""
    return [file_of(images, f"content/{content}"), file_of(images, f"style/{PAIRS[content]}")]
