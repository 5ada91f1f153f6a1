"""`impasto`: the application of all commands, and the conversion of exceptions to exit codes.

0: success. 1: failure. 2: unusable input. 130, 143, 129: stopped by Ctrl-C, SIGTERM, SIGHUP.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from cyclopts import App, CycloptsError, Group, Parameter

from impasto._version import __version__
from impasto.apps.cli.interrupts import exit_code
from impasto.apps.cli.messages import say
from impasto.apps.cli.streams import forgiving_streams
from impasto.errors import ImpastoError, InputError


class Command(NamedTuple):
    """A command, whose module is imported when it is called.

    Attributes:
        path: its file in this folder and its function.
        arguments: its positional arguments, for the usage line.
        summary: the first line of its docstring.
    """

    path: str
    arguments: str
    summary: str


COMMANDS = {
    "Paint": (
        Command("stylize:stylize", "CONTENT STYLE...", "Paint CONTENT in the style of one or more STYLES."),
        Command("texture:texture", "STYLE...", "Paint a texture in the style of one or more STYLES, from noise."),
        Command("plan:plan", "CONTENT STYLE...", "Print the memory and time that a picture needs, without painting."),
        Command("runs:resume", "RUN", "Resume a run that was stopped, killed or interrupted by a power cut."),
        Command("runs:rerun", "SOURCE", "Paint a picture or a run again, with some settings changed."),
        Command("demo:demo", "", "Paint a generated landscape in a generated style."),
    ),
    "Experiment": (
        Command("sweep:sweep", "CONTENT STYLE...", "Paint CONTENT in every STYLE at every combination of settings."),
        Command("runs:runs", "[FOLDER]", "List the runs in FOLDER, by default this one."),
        Command("runs:show", "RUN", "Print everything about a run."),
        Command("runs:compare", "FIRST SECOND", "Print the differences between two runs, or draw them."),
        Command("report:report", "RUN...", "Write a page that compares runs."),
        Command("animate:animate", "RUN", "Make a film of a run."),
    ),
    "Look inside": (
        Command("losses:losses", "CONTENT STYLE RESULT...", "Evaluate an objective on the results of any tool."),
        Command("features:features", "IMAGE", "Show the network's feature maps of IMAGE, or its Gram matrices."),
        Command("reconstruct:reconstruct", "WHAT IMAGE", "Reconstruct IMAGE from noise: its content or its style."),
    ),
    "About": (
        Command("listings:presets", "[NAME]", "List the presets, or print one as a recipe."),
        Command("stylize:recipe", "PICTURE", "Print the recipe stored in a picture, or write it into a file."),
        Command("listings:schema", "", "Print the JSON schema of a recipe."),
        Command("listings:encoders", "[NAME]", "List the networks, their layers and the sources of their weights."),
        Command("swatches:swatches", "[NAME...]", "Generate style pictures."),
        Command("doctor:doctor", "", "Print the installation, and the result of a self test."),
    ),
}  # fmt: skip
"""Heading -> commands, in the order of the help."""

app = App(
    name="impasto",
    help="Neural style transfer: paints one picture in the style of another.",
    usage="Usage: impasto COMMAND [OPTIONS]",
    version=__version__,
    version_flags=["--version", "-V"],
    suppress_keyboard_interrupt=False,  # main() handles it, with impasto's exit code
    group_commands=Group("Options", sort_key=9),
    help_epilogue=(
        "Examples:\n\n"
        "    impasto stylize photo.jpg painting.jpg\n"
        "    impasto stylize photo.jpg painting.jpg -o out.png --size 1024 --style-weight 3\n"
        "    impasto stylize photo.jpg wave.jpg night.jpg --style-weights 0.7,0.3\n"
        "    impasto stylize --recipe out.png --seed 1\n\n"
        "Exit codes: 0 success, 1 failure, 2 unusable input, 130 Ctrl-C, 143 SIGTERM, 129 closed terminal.\n"
    ),
    help_format="markdown",
    default_parameter=Parameter(show_default=lambda value: None if value is False else str(value)),
)
for _place, (_heading, _commands) in enumerate(COMMANDS.items(), start=1):
    _group = Group(_heading, sort_key=_place)
    for _number, _command in enumerate(_commands):
        _name = _command.path.rpartition(":")[2]
        app.command(
            f"impasto.apps.cli.{_command.path}",
            group=_group,
            sort_key=_number,
            help=_command.summary,
            usage=" ".join(filter(None, ("Usage: impasto", _name, _command.arguments, "[OPTIONS]"))),
            help_epilogue="",  # every command has its own examples
        )


@app.command(name="help", group=_group, sort_key=90, usage="Usage: impasto help [COMMAND]", help_epilogue="")
def help_(command: Annotated[str | None, Parameter(show_default=False)] = None, /) -> int:
    """Print this help, or that of a command.

    `impasto COMMAND --help` prints the same.

        impasto help stylize

    Parameters
    ----------
    command
        The command.
    """
    return _call(["--help"] if command is None else [command, "--help"])


@app.command(group=_group, sort_key=91, usage="Usage: impasto completion SHELL", help_epilogue="")
def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print a script that completes commands and options in a shell.

    Write it to a file that the shell reads when it starts.

        impasto completion bash > ~/.local/share/bash-completion/completions/impasto
        impasto completion zsh > ~/.zfunc/_impasto
        impasto completion fish > ~/.config/fish/completions/impasto.fish

    Parameters
    ----------
    shell
        The shell.
    """
    sys.stdout.write(app.generate_completion(shell=shell))
    return 0


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
        return _call(arguments)
    except InputError as error:
        return _complain(error, 2)
    except ImpastoError as error:
        return _complain(error, 1)
    except CycloptsError as error:
        known = " Available commands:"
        return _complain(str(error).partition(known)[0] if "Did you mean" in str(error) else error, 2)
    except KeyboardInterrupt as error:
        return _complain("interrupted; no picture was painted", exit_code(error))


def _call(arguments: Sequence[str]) -> int:
    if arguments and arguments[0] in app:
        app[arguments[0]].help = None  # the whole docstring, in place of the summary
    code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    return code if isinstance(code, int) else 0


def _complain(error: object, code: int) -> int:
    command = error.command if isinstance(error, ImpastoError) else None
    say(" ".join(str(error).removesuffix(command or "").split()), command=command)
    return code


if __name__ == "__main__":
    sys.exit(main())
