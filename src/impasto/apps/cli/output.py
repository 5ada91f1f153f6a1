"""Where a picture goes: the options that say so, and free names."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from impasto.errors import OutputError, ParameterError

if TYPE_CHECKING:
    import PIL.Image

    from impasto.runs.recording import SaveEvery


_OUTPUT = Parameter(group=Group("Output", sort_key=6), negative=())


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Output:
    """Where a new picture goes, and what is told of it.

    Parameters
    ----------
    path
        Where the result goes: .png, .jpg, .webp or .tiff. Without it a PNG in this folder, named after what it is
        painted from and numbered when that exists.
    run
        Keep everything about this picture in a folder: recipe, losses, checkpoints, pictures, result. `impasto
        resume` goes on with it after whatever stopped it.
    save_every
        Also save the picture so far every N iterations, or, with log, ever more rarely: as OUT-000N.png, or in the
        run's folder.
    tensorboard
        Also write losses, memory and pictures for TensorBoard into the run's folder, while it is painted. Needs --run
        and impasto[tensorboard]; look with: tensorboard --logdir RUN.
    bits
        Bits per channel; 16 for PNG and TIFF.
    as_json
        Print one JSON object at the end, and nothing else.
    quiet
        No progress.
    """

    path: Annotated[Path | None, Parameter(name=["--output", "-o"]), _OUTPUT] = None
    run: Annotated[Path | None, _OUTPUT] = None
    save_every: Annotated[str, _OUTPUT] = "0"
    tensorboard: Annotated[bool, _OUTPUT] = False
    bits: Annotated[Literal[8, 16], _OUTPUT] = 8
    as_json: Annotated[bool, Parameter(name="--json"), _OUTPUT] = False
    quiet: Annotated[bool, Parameter(alias="-q"), _OUTPUT] = False

    def named(self, stem: str) -> Output:
        """With a name of that stem where none was given, and no folder either."""
        if self.path is not None or self.run is not None:
            return self
        return replace(self, path=free_name(stem, ".png"))


TO_A_FREE_NAME = Output()


def parse_save_every(text: str) -> SaveEvery:
    """What `--save-every` says."""
    if text == "log":
        return "log"
    try:
        if (every := int(text)) >= 0:
            return every
    except ValueError:
        pass
    raise ParameterError(f"--save-every: expected a whole number, 0 or more, or log, got {text!r}")


def free_name(stem: str, suffix: str) -> Path:
    """A file in this folder that is not there yet."""
    path, number = Path(stem + suffix), 2
    while os.path.exists(path):  # noqa: PTH110  # Path.exists raises for a name that is too long
        path, number = Path(f"{stem}-{number}{suffix}"), number + 1
    return path


def say(line: str = "") -> None:
    sys.stdout.write(line + "\n")


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """The folder, made if it is not there; what cannot be written is an OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise OutputError(f"{folder}: cannot write there: {error.strerror or error}") from None


def say_json(objects: Any) -> None:
    sys.stdout.write(json.dumps(list(objects)) + "\n")


def check_picture(output: Path) -> None:
    from impasto.images import check_output

    check_output(output)


def write_picture(output: Path, picture: PIL.Image.Image) -> None:
    from impasto import images

    images.write(output, images.read(picture).pixels)
