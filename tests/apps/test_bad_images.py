"""Every file of ../shared/bad-images as content: a whole picture, or one line and no file."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.apps.conftest import Command

_MANIFEST = Path(__file__).resolve().parents[3] / "shared" / "bad-images" / "MANIFEST.tsv"
_SMALL = {"test1.arith.jpg", "940x2.png"}  # the network needs 16 pixels: 10 x 10 in all, 64 x 1 when shrunk


def _rows() -> list[tuple[str, str]]:
    if not _MANIFEST.is_file():
        return []
    lines = _MANIFEST.read_text(encoding="utf-8").splitlines()[1:]
    return [(row.split("\t")[0], row.split("\t")[2]) for row in lines]


def _outcomes(accept: str) -> set[str]:
    """What the manifest's ``accept`` allows: "picture", "note" (a picture and a word about it), "refusal"."""
    outcomes: set[str] = set()
    for one in accept.split("|"):
        if one == "any":
            outcomes |= {"picture", "note", "refusal"}
        elif one.startswith("error"):
            outcomes.add("refusal")
        elif one in ("ok+note", "ok(ICC applied)"):
            outcomes.add("note")
        else:
            outcomes |= {"picture", "note"}
    return outcomes


@pytest.mark.parametrize(("name", "accept"), _rows())
def test_manifest(impasto: Command, folder: Path, shared: Path, thin: None, name: str, accept: str) -> None:
    shutil.copy(shared / "bad-images" / name, name)
    before = set(folder.iterdir())
    run = impasto("stylize", name, "style.png", "--size", "64", "--steps", "1", "-o", "out.png")
    written = set(folder.iterdir()) - before
    if run.code == 0:
        assert written == {folder / "out.png"}
        with Image.open("out.png") as image:
            assert max(image.size) == 64
            assert np.asarray(image).ndim == 3
        assert ("note" if f"note: {name}: " in run.err else "picture") in _outcomes(accept)
    else:
        assert run.code == 2
        assert written == set()
        complaint = [line for line in run.err.splitlines() if not line.startswith("note: ")]
        assert len(complaint) == 1
        if name in _SMALL:
            assert f"{name}: the chosen layers need at least 16 pixels" in complaint[0]
            assert re.search(r"; size \d+ would do", complaint[0])
        else:
            assert name in run.complaint()
            assert "refusal" in _outcomes(accept)


def test_each_kind_of_outcome_occurs(shared: Path) -> None:
    assert len(_rows()) == 40
    assert set().union(*(_outcomes(accept) for _, accept in _rows())) == {"picture", "note", "refusal"}
