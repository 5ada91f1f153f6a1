"""What is installed here, whether it works, and how fast."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import tempfile
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.apps.cli.formatting import duration
from impasto.apps.cli.output import say
from impasto.errors import ParameterError


def doctor(*, speed: Annotated[bool, Parameter(negative=())] = False) -> int:
    """Say what is installed, which devices and weights there are, and whether painting works.

    A bug report needs what it prints.

        impasto doctor
        impasto doctor --speed

    Parameters
    ----------
    speed
        Measure instead how long pictures take on this machine: some seconds' work.
    """
    return _speed() if speed else _health()


def _speed() -> int:
    """Seconds for the sizes that people ask for, in words."""
    from impasto.assembly.device import choose_device, choose_precision
    from impasto.processor import processor
    from impasto.transfer.speed import evaluation_seconds, table

    device = choose_device("auto")
    _, precision = choose_precision("auto", device, exact=False)
    say(f"{processor() if device.type == 'cpu' else device}, in {precision}")
    sides = (512, 1024, 2048)
    found = table(sides, evaluation_seconds())
    say(f"{'':10}" + "".join(f"{side:>14} px" for side in sides))
    for quality, seconds in found.items():
        say(f"{quality:10}" + "".join(f"{duration(each):>17}" for each in seconds))
    say("a picture of 4:3 by its long side, from the command to the saved file")
    return 0


def _health() -> int:
    import numpy as np

    import impasto
    from impasto.assembly import bfloat16
    from impasto.assembly.device import choose_device, choose_precision
    from impasto.encoders.sources import SOURCES
    from impasto.encoders.weights import load
    from impasto.files import cache_folder
    from impasto.processor import processor
    from impasto.swatches import paint
    from impasto.transfer.api import stylize

    say(f"impasto {impasto.__version__}, Python {platform.python_version()}, {platform.platform()}")
    for package in ("torch", "numpy", "pillow", "safetensors", "pydantic", "cyclopts", "rich"):
        say(f"  {package} {importlib.metadata.version(package)}")
    for package, extra in (
        ("h5py", "keras"),
        ("pillow-heif", "heif"),
        ("scikit-image", "demo"),
        ("tensorboard", "tensorboard"),
        ("torchvision", "torchvision"),
        ("av", "video"),
    ):
        try:
            say(f"  {package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            say(f"  {package} is not installed (impasto[{extra}])")

    say(f"processor: {processor()}")
    say(f"bfloat16: {_of_bfloat16(bfloat16.speed())}")
    devices = []
    for name in ("cpu", "cuda", "mps"):
        try:
            devices.append(str(choose_device(name)))
        except ParameterError:
            continue
    device = choose_device("auto")
    say(
        f"devices: {', '.join(devices)}; auto takes {device} in {choose_precision('auto', device, exact=False)[1]}"
    )

    started = time.perf_counter()
    found = load("vgg19")
    say(f"weights: {found.source} for {found.network}, read in {time.perf_counter() - started:.2f} s")
    cached = sorted(path.name for path in cache_folder().glob("*.*")) if cache_folder().is_dir() else []
    say(f"weights in {cache_folder()}: {', '.join(cached) or 'none'}")
    say(f"weights that can be downloaded: {', '.join(n for n, known in SOURCES.items() if known.url)}")

    losses: list[float] = []
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result = stylize(
            paint("mosaic", size=96),
            paint("strokes", size=96),
            size=96,
            steps=12,
            smallest=96,
            on_step=lambda step: losses.append(step.loss),
        )
        result.save(Path(folder) / "painting.png")
    moved = float(np.abs(result.to_array().astype(float) - paint("mosaic", size=96)).mean())
    works = result.loss < 0.5 * losses[0] and moved > 1.0
    say(
        f"self test: {result.steps} iterations at 96 pixels in {time.perf_counter() - started:.1f} s, "
        f"loss {losses[0]:.3g} -> {result.loss:.3g}: {'works' if works else 'DOES NOT WORK'}"
    )
    return 0 if works else 1


def _of_bfloat16(speed: float | None) -> str:
    """What the processor makes of it, in words; ``speed`` is how many times as fast as float32 it is."""
    if speed is None:
        return "none; the network runs in float32"
    return f"the network runs at {speed:.2g} times the speed of float32"
