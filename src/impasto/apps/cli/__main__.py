"""`impasto`: the application of all commands, and the conversion of exceptions to exit codes.

0: success. 1: failure. 2: unusable input. 130, 143, 129: stopped by Ctrl-C, SIGTERM, SIGHUP.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

import impasto
from impasto.apps.cli.animate import animate
from impasto.apps.cli.demo import demo
from impasto.apps.cli.doctor import doctor
from impasto.apps.cli.features import features
from impasto.apps.cli.interrupts import exit_code
from impasto.apps.cli.listings import encoders, presets, schema
from impasto.apps.cli.losses import losses
from impasto.apps.cli.plan import plan
from impasto.apps.cli.reconstruct import reconstruct
from impasto.apps.cli.report import report
from impasto.apps.cli.runs import compare, rerun, resume, runs, show
from impasto.apps.cli.streams import forgiving_streams
from impasto.apps.cli.stylize import recipe, stylize
from impasto.apps.cli.swatches import swatches
from impasto.apps.cli.sweep import sweep
from impasto.apps.cli.texture import texture
from impasto.errors import ImpastoError, InputError

app = App(
    name="impasto",
    help="Neural style transfer: paints one picture in the style of another.",
    version=impasto.__version__,
    suppress_keyboard_interrupt=False,  # main() handles it, with impasto's exit code
    help_epilogue=(
        "Examples:\n\n"
        "    impasto stylize photo.jpg painting.jpg\n"
        "    impasto stylize photo.jpg painting.jpg -o out.png --size 1024 --style-weight 3\n"
        "    impasto stylize photo.jpg wave.jpg night.jpg --style-weights 0.7,0.3\n"
        "    impasto stylize --recipe out.png --seed 1\n\n"
        "Exit codes: 0 success, 1 failure, 2 unusable input, 130 Ctrl-C, 143 SIGTERM, 129 closed terminal.\n"
    ),
    help_format="markdown",
)
for command in (
    stylize,
    sweep,
    texture,
    plan,
    resume,
    runs,
    show,
    compare,
    report,
    rerun,
    animate,
    recipe,
    losses,
    features,
    reconstruct,
    presets,
    schema,
    encoders,
    swatches,
    demo,
    doctor,
):
    # Every command has its own examples; those above belong to the help of the application.
    app.command(command, help_epilogue="")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    # Escape characters of file names that the terminal's encoding lacks, as standard error does by default.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # cyclopts takes a lone - for an option; this path is equal to it.
    given = ["./-" if each == "-" else each for each in (sys.argv[1:] if arguments is None else arguments)]
    with forgiving_streams() as out:
        code = _run(given)
        out.flush()
        if out.error is None:
            return code
        if not isinstance(out.error, BrokenPipeError):  # whose reader has seen enough
            _complain(f"standard output: cannot write: {out.error.strerror or out.error}", 1)
        return code or 1


def _run(arguments: Sequence[str]) -> int:
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except InputError as error:
        return _complain(error, 2)
    except ImpastoError as error:
        return _complain(error, 1)
    except CycloptsError as error:
        return _complain(error, 2)
    except KeyboardInterrupt as error:
        return _complain("interrupted; no picture was painted", exit_code(error))
    return code if isinstance(code, int) else 0


def _complain(error: object, code: int) -> int:
    message = " ".join(str(error).split())
    sys.stderr.write(f"impasto: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
