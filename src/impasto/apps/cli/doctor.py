"""`impasto doctor`: the installation, a self test, and the speed of this machine."""

from __future__ import annotations

import importlib.metadata
import platform
import tempfile
import time
from pathlib import Path

from impasto.apps.cli.output import write_line
from impasto.apps.cli.parameters import Flag
from impasto.errors import ParameterError
from impasto.text import duration

_PACKAGES = ("torch", "numpy", "pillow", "safetensors", "pydantic", "cyclopts", "rich")
_OPTIONAL = {  # package -> the extra that installs it
    "h5py": "keras",
    "pillow-heif": "heif",
    "tensorboard": "tensorboard",
    "torchvision": "torchvision",
    "av": "video",
}


def doctor(*, speed: Flag = False) -> int:
    """Print the installation, and the result of a self test.

    The installation is the packages, the devices and the weights. Please include this output in a bug report.

        impasto doctor
        impasto doctor --speed

    Parameters
    ----------
    speed
        Print instead how long pictures take on this machine. The measurement takes some seconds.
    """
    return _speed() if speed else _health()


def _speed() -> int:
    """Print the seconds for common sizes."""
    from impasto.assembly.device import choose_device, choose_precision
    from impasto.processor import processor
    from impasto.transfer.speed import evaluation_seconds, table

    device = choose_device("auto")
    _, precision = choose_precision("auto", device, exact=False)
    write_line(f"{processor() if device.type == 'cpu' else device}, in {precision}")
    sides = (512, 1024, 2048)
    found = table(sides, evaluation_seconds())
    write_line(f"{'':10}" + "".join(f"{side:>14} px" for side in sides))
    for quality, seconds in found.items():
        write_line(f"{quality:10}" + "".join(f"{duration(each):>17}" for each in seconds))
    write_line("for a 4:3 picture of that long side, from the start of the command to the saved file")
    return 0


def _health() -> int:
    _write_versions()
    _write_devices()
    _write_weights()
    return _self_test()


def _write_versions() -> None:
    import impasto

    write_line(f"impasto {impasto.__version__}, Python {platform.python_version()}, {platform.platform()}")
    for package in _PACKAGES:
        write_line(f"  {package} {importlib.metadata.version(package)}")
    for package, extra in _OPTIONAL.items():
        try:
            write_line(f"  {package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            write_line(f"  {package} is not installed (impasto[{extra}])")


def _write_devices() -> None:
    from impasto.assembly import bfloat16
    from impasto.assembly.device import choose_device, choose_precision
    from impasto.processor import processor

    write_line(f"processor: {processor()}")
    write_line(f"bfloat16: {_of_bfloat16(bfloat16.speed())}")
    devices = []
    for name in ("cpu", "cuda", "mps"):
        try:
            devices.append(str(choose_device(name)))
        except ParameterError:
            continue
    device = choose_device("auto")
    _, precision = choose_precision("auto", device, exact=False)
    write_line(f"devices: {', '.join(devices)}; auto chooses {device} in {precision}")


def _write_weights() -> None:
    from impasto.encoders.sources import SOURCES
    from impasto.encoders.weights import load
    from impasto.files import cache_folder

    started = time.perf_counter()
    found = load("vgg19")
    write_line(f"weights: {found.source} for {found.network}, read in {time.perf_counter() - started:.2f} s")
    cached = sorted(path.name for path in cache_folder().glob("*.*")) if cache_folder().is_dir() else []
    write_line(f"weights in {cache_folder()}: {', '.join(cached) or 'none'}")
    downloadable = (name for name, known in SOURCES.items() if known.url)
    write_line(f"weights that can be downloaded: {', '.join(downloadable)}")


def _self_test() -> int:
    """Paint and save a small picture; the exit code."""
    import numpy as np

    from impasto.swatches import paint
    from impasto.transfer.api import stylize

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
    write_line(
        f"self test: {result.steps} iterations at 96 pixels in {time.perf_counter() - started:.1f} s, "
        f"loss {losses[0]:.3g} -> {result.loss:.3g}: {'passed' if works else 'FAILED'}"
    )
    return 0 if works else 1


def _of_bfloat16(speed: float | None) -> str:
    """The processor's bfloat16 support as text; ``speed`` is relative to float32."""
    if speed is None:
        return "none; the network runs in float32"
    return f"the network runs at {speed:.2g} times the speed of float32"
