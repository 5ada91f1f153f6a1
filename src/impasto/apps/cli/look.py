"""Commands to look around with: presets, encoders, swatches, a demonstration, and a doctor."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import importlib.util
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.apps.cli.options import as_if_given, whole
from impasto.apps.cli.plan import duration
from impasto.apps.cli.stylize import Output, stylize
from impasto.errors import MissingExtraError, OutputError, ParameterError


def _say(line: str = "") -> None:
    sys.stdout.write(line + "\n")


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """The folder, made if it is not there; what cannot be written is an OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise OutputError(f"{folder}: cannot write there: {error.strerror or error}") from None


def presets(name: str | None = None, *, faithful: bool = False) -> int:
    """List the presets, or print one as a recipe to start a .toml file from.

    What a preset minimises and how is all in its recipe.

        impasto presets
        impasto presets gatys --faithful > mine.toml

    Parameters
    ----------
    name
        The preset to print.
    faithful
        Print it as the tool itself works.
    """
    from impasto.recipes.presets import PRESETS, resolve

    if name is not None:
        sys.stdout.write(resolve(name, faithful=faithful).to_toml())
        return 0
    width = max(map(len, PRESETS))
    for key, preset in PRESETS.items():
        _say(f"{key:<{width}}  {preset.summary}")
    return 0


def schema() -> int:
    """Print the JSON schema of a recipe: every setting with its type, default and description.

    Editors check and complete recipes by it.

        impasto schema > recipe.schema.json
    """
    import json

    from impasto.recipes.recipe import Recipe

    _say(json.dumps(Recipe.model_json_schema(), indent=1))
    return 0


def encoders(name: str | None = None) -> int:
    """List the networks, their layers and where their weights come from.

    A layer is named like that wherever one can be chosen.

        impasto encoders vgg16

    Parameters
    ----------
    name
        Only this network.
    """
    from impasto.assembly.networks import ENCODERS
    from impasto.encoders.mobilenet import MOBILENET_V2
    from impasto.encoders.weights import DEFAULTS, SOURCES
    from impasto.errors import unknown_name

    if name is not None and name not in ENCODERS:
        raise unknown_name("encoder", name, ENCODERS)
    for key, network in ENCODERS.items():
        if name not in (None, key):
            continue
        _say(key)
        _say(f"  layers   {' '.join(network.layers())}")
        for source, known in SOURCES.items():
            if known.network == key:
                default = "  (default)" if DEFAULTS.get(key) == source else ""
                _say(f"  weights  {source}{default}: {known.summary}; {known.licence}")
        if key == "mobilenet-v2":
            for source, (url, _) in MOBILENET_V2.items():
                _say(f"  weights  {source}: {url}; needs impasto[torchvision]")
    return 0


def swatches(
    names: Annotated[list[str] | None, Parameter(show_default=False, negative=())] = None,
    *,
    output: Annotated[Path, Parameter(alias="-o")] = Path("swatches"),
    size: Annotated[int, Parameter(converter=whole)] = 512,
    seed: Annotated[int, Parameter(converter=whole)] = 0,
) -> int:
    """Paint style pictures out of nothing: brush strokes, stained glass, woodblock waves and more.

    Without a name all of them are painted.

        impasto swatches
        impasto swatches waves glass --size 1024 --seed 1 -o styles

    Parameters
    ----------
    names
        Which ones; all when none is named.
    output
        The folder they go to.
    size
        Side in pixels.
    seed
        Another seed, other pictures of the same kind.
    """
    import PIL.Image

    from impasto.errors import unknown_name
    from impasto.swatches import SWATCHES, paint

    for name in names or ():
        if name not in SWATCHES:
            raise unknown_name("swatch", name, SWATCHES)
    for name in names or SWATCHES:
        picture = PIL.Image.fromarray(paint(name, size=size, seed=seed))
        with writing_to(output):
            picture.save(output / f"{name}.png")
        _say(str(output / f"{name}.png"))
    return 0


def demo(
    *,
    output: Annotated[Path, Parameter(alias="-o")] = Path("impasto-demo"),
    size: Annotated[int, Parameter(converter=whole)] = 384,
    steps: Annotated[int, Parameter(converter=whole)] = 100,
    swatch: str = "strokes",
) -> int:
    """Paint a photograph of a cup of coffee in the style of a picture that impasto paints itself.

    A draft comes first, to look at; the painting goes on from it. The commands that do the same by hand are said.

        impasto demo
        impasto demo --swatch mosaic --size 512

    Parameters
    ----------
    output
        The folder for the photograph, the style, the draft and the painting.
    size
        Long side of the painting in pixels.
    steps
        Iterations after the draft.
    swatch
        The style: a name that `impasto swatches` knows.
    """
    import PIL.Image

    from impasto.recipes.presets import resolve
    from impasto.swatches import paint

    resolve(size=size, steps=steps)  # refused before anything is written

    # Found without importing scikit-image, which would load SciPy.
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise MissingExtraError("impasto demo takes its photograph from scikit-image, and", extra="demo")
    style = PIL.Image.fromarray(paint(swatch))
    with writing_to(output):
        photograph, painted_style = output / "photo.png", output / f"{swatch}.png"
        photograph.write_bytes((Path(spec.origin).parent / "data" / "coffee.png").read_bytes())
        style.save(painted_style)
    draft, painting = output / "draft.png", output / "painting.png"
    _say(f"content: {photograph} (coffee.png of scikit-image, CC0, by Rachel Michetti)")
    _say(f"style:   {painted_style} (painted by impasto swatches)")
    by_hand = f"impasto stylize {photograph} {painted_style} --size {size}"
    _say(f"the same by hand: {by_hand} --quality draft -o {draft}")
    _say(f"        and then: {by_hand} --init {draft} --steps {steps} -o {painting}")
    code = stylize(
        photograph,
        [painted_style],
        options=as_if_given(size=size, quality="draft"),
        output=Output(path=draft),
    )
    if code:
        return code
    _say(f"a first look: {draft.resolve()}")
    code = stylize(
        photograph,
        [painted_style],
        options=as_if_given(size=size, init=str(draft), steps=steps),
        output=Output(path=painting),
    )
    _say(f"look at {painting.resolve()}")
    return code


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
    _say(f"{processor() if device.type == 'cpu' else device}, in {precision}")
    sides = (512, 1024, 2048)
    found = table(sides, evaluation_seconds())
    _say(f"{'':10}" + "".join(f"{side:>14} px" for side in sides))
    for quality, seconds in found.items():
        _say(f"{quality:10}" + "".join(f"{duration(each):>17}" for each in seconds))
    _say("a picture of 4:3 by its long side, from the command to the saved file")
    return 0


def _health() -> int:
    import numpy as np

    import impasto
    from impasto.assembly import bfloat16
    from impasto.assembly.device import choose_device, choose_precision
    from impasto.encoders.weights import SOURCES, load
    from impasto.files import cache_folder
    from impasto.processor import processor
    from impasto.swatches import paint
    from impasto.transfer.api import stylize

    _say(f"impasto {impasto.__version__}, Python {platform.python_version()}, {platform.platform()}")
    for package in ("torch", "numpy", "pillow", "safetensors", "pydantic", "cyclopts", "rich"):
        _say(f"  {package} {importlib.metadata.version(package)}")
    for package, extra in (
        ("h5py", "keras"),
        ("pillow-heif", "heif"),
        ("scikit-image", "demo"),
        ("tensorboard", "tensorboard"),
        ("torchvision", "torchvision"),
        ("av", "video"),
    ):
        try:
            _say(f"  {package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            _say(f"  {package} is not installed (impasto[{extra}])")

    _say(f"processor: {processor()}")
    _say(f"bfloat16: {_of_bfloat16(bfloat16.speed())}")
    devices = []
    for name in ("cpu", "cuda", "mps"):
        try:
            devices.append(str(choose_device(name)))
        except ParameterError:
            continue
    device = choose_device("auto")
    _say(
        f"devices: {', '.join(devices)}; auto takes {device} in {choose_precision('auto', device, exact=False)[1]}"
    )

    started = time.perf_counter()
    found = load("vgg19")
    _say(f"weights: {found.source} for {found.network}, read in {time.perf_counter() - started:.2f} s")
    cached = sorted(path.name for path in cache_folder().glob("*.*")) if cache_folder().is_dir() else []
    _say(f"weights in {cache_folder()}: {', '.join(cached) or 'none'}")
    _say(f"weights that can be downloaded: {', '.join(n for n, known in SOURCES.items() if known.url)}")

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
    _say(
        f"self test: {result.steps} iterations at 96 pixels in {time.perf_counter() - started:.1f} s, "
        f"loss {losses[0]:.3g} -> {result.loss:.3g}: {'works' if works else 'DOES NOT WORK'}"
    )
    return 0 if works else 1


def _of_bfloat16(speed: float | None) -> str:
    """What the processor makes of it, in words; ``speed`` is how many times as fast as float32 it is."""
    if speed is None:
        return "none; the network runs in float32"
    return f"the network runs at {speed:.2g} times the speed of float32"
