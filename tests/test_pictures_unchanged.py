"""What is painted stays the same to the last bit, whatever is moved, renamed or made simpler.

    python -m pytest tests/test_pictures_unchanged.py --record -n 0 -m ''

writes the digests anew, after a change that is meant to change pictures. Kernels round differently on other
processors and in other versions of torch: there the test is skipped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor

import impasto
from impasto.assembly.objective import CONTENT_LOSSES, STYLE_LOSSES
from impasto.inspection.reconstruct import reconstruct
from impasto.losses.smoothness import SMOOTHNESS_LOSSES
from impasto.processor import processor
from impasto.recipes.grid import check_grid, variants
from impasto.recipes.presets import resolve
from impasto.runs import recording
from impasto.runs.create import begin
from impasto.runs.resume import go_on
from impasto.swatches import paint
from impasto.sweeps.sweep import Sweep
from impasto.transfer.texture import texture
from tests.thin import load_with, thin

DIGESTS = Path(__file__).with_suffix(".json")
OPTIONS: dict[str, Any] = {"size": 72, "smallest": 36, "steps": 6, "device": "cpu", "precision": "fp32"}


def _here() -> str:
    """The processor, as exactly as the system says it, and the version of torch."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    exact = [
        line.split(":")[-1].strip()
        for line in lines
        if line.startswith(("cpu family", "model\t", "stepping"))
    ]
    return f"{processor()}, {'.'.join(exact[:3])}, torch {torch.__version__}"


HERE = _here()


def stylized(*more_styles: str, **options: Any) -> Callable[[], list[Tensor]]:
    given = {**OPTIONS, **options}
    if given.get("faithful"):
        del given["smallest"]
    return lambda: [impasto.stylize("content.png", ["style.png", *more_styles], **given).image]


def regions() -> list[dict[str, Any]]:
    left = np.zeros((60, 72), np.uint8)
    left[:, :30] = 255
    for name, mask in (("left", left), ("right", 255 - left)):
        PIL.Image.fromarray(mask).save(f"{name}.png")
    return [
        {"name": "left", "mask": {"path": "left.png"}, "style": 1, "weight": 2.0},
        {"name": "right", "mask": {"path": "right.png"}, "style": 2, "loss": "histogram"},
    ]


def in_regions() -> list[Tensor]:
    return stylized("other.png", regions=regions())()


def steered() -> list[Tensor]:
    painting = impasto.iterate("content.png", "style.png", **OPTIONS)
    undone = False
    for step in painting:
        if step.done == 3:
            painting.change(style_weight=60.0, tv_weight=1.0)
        if step.done == 5 and not undone:
            painting.change(content_weight=0.1)
            painting.undo(4)
            undone = True
    return [step.image]


def resumed() -> list[Tensor]:
    with begin("run", "content.png", "style.png", **OPTIONS) as run:
        for step in run:
            if step.done == 3:
                break
    return [go_on("run").image]


def swept() -> list[Tensor]:
    found = variants(
        lambda settings: resolve(**{**OPTIONS, **settings}),
        contents=[Path("content.png")],
        styles=[Path("style.png"), Path("other.png")],
        grid=check_grid({"style_weight": [5.0, 50.0], "init": ["content", "noise"]}),
    )
    list(Sweep(Path("out"), found).paint())
    pictures = sorted(Path("out").rglob("result.png"))
    assert len(pictures) == 8
    return [torch.from_numpy(np.array(PIL.Image.open(path))) for path in pictures]


def reconstructed() -> list[Tensor]:
    return [
        each.image
        for what, layers in (("content", ["relu3_1"]), ("style", ["relu1_1", "relu2_1"]))
        for each in reconstruct(what, "content.png", layers, size=48, steps=4, precision="fp32")  # type: ignore[arg-type]
    ]


CASES: dict[str, Callable[[], list[Tensor]]] = {
    **{f"preset {name}": stylized(preset=name) for name in impasto.PRESETS},
    **{f"faithful {name}": stylized(preset=name, faithful=True) for name in ("seed-fixed", "gatys")},
    **{f"style loss {name}": stylized(style_loss=name) for name in STYLE_LOSSES},
    **{f"content loss {name}": stylized(content_loss=name) for name in CONTENT_LOSSES},
    **{f"color {name}": stylized(color=name) for name in ("keep", "match")},
    **{f"tv loss {name}": stylized(tv_loss=name, tv_weight=2.0) for name in SMOOTHNESS_LOSSES},
    "color match histogram": stylized(color="match", color_match="histogram"),
    **{f"pooling {name}": stylized(pooling=name) for name in ("average", "l2", "max-blur")},
    **{f"padding {name}": stylized(padding=name) for name in ("replicate", "reflect")},
    "palette": stylized(palette="other.png"),
    "regions": in_regions,
    "two styles, turned": stylized(
        "other.png",
        style_weights=(3.0, 1.0),
        style_scales=(1.0, 0.7),
        style_rotate=(90, 0),
        style_flip=("no", "vertical"),
    ),
    "photo": stylized(preset="photo", photo_finish=2),
    "strength": stylized(strength=0.6),
    "noise": stylized(init="noise", margin=0),
    "wolfe": stylized(optimizer="lbfgs-wolfe", margin=0),
    "adam": stylized(optimizer="adam", averaging=0.9),
    "tiles": stylized(tile=32),
    "half precision": stylized(history_memory=1, history=2000),
    "texture": lambda: [texture("style.png", **OPTIONS).image],
    "seamless texture": lambda: [texture("style.png", seamless=True, **{**OPTIONS, "size": 64}).image],
    "steered": steered,
    "resumed": resumed,
    "swept": swept,
    "reconstructed": reconstructed,
}


def digest(name: str) -> str:
    found = hashlib.sha256()
    for picture in CASES[name]():
        values = picture if picture.dtype == torch.uint8 else (picture * 255.0).round().to(torch.uint8)
        found.update(repr(tuple(values.shape)).encode())
        found.update(values.contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


@pytest.fixture(scope="module")
def known(request: pytest.FixtureRequest) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(DIGESTS.read_text()) if DIGESTS.exists() else {}
    if not request.config.getoption("--record") and kept.get("on") != HERE:
        pytest.skip(f"the digests are of another processor or torch: {kept.get('on')}")
    return kept


# Every third is painted in the suite, all of them in the long form.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.exhaustive] if number % 3 else [])
        for number, name in enumerate(CASES)
    ],
)
def test_pictures_are_unchanged(
    name: str,
    known: dict[str, Any],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    same_kernels: None,
) -> None:
    monkeypatch.chdir(tmp_path)
    load_with(monkeypatch, thin)
    monkeypatch.setattr(recording, "CHECKPOINT_SECONDS", 0.0)
    for path, kind, size in (
        ("content.png", "mosaic", 72),
        ("style.png", "strokes", 80),
        ("other.png", "glass", 64),
    ):
        PIL.Image.fromarray(paint(kind, size=size)).save(path)
    found = digest(name)
    if request.config.getoption("--record"):
        digests = {**known.get("digests", {}), name: found} if known.get("on") == HERE else {name: found}
        known.update(on=HERE, digests={each: digests[each] for each in CASES if each in digests})
        DIGESTS.write_text(json.dumps(known, indent=1) + "\n")
    assert found == known["digests"][name]
