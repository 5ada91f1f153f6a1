"""The command: what it prints and writes, its exit codes, and that stopping it loses nothing."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from impasto import images
from impasto.apps.cli.__main__ import COMMANDS, app
from impasto.apps.cli.__main__ import Command as Command_
from impasto.apps.cli.doctor import _of_bfloat16
from impasto.encoders.weights import Convolutions
from impasto.processor import processor
from impasto.recipes.fields import ContentLossName, StyleLossName
from impasto.recipes.presets import PRESETS, resolve
from impasto.recipes.recipe import Recipe
from impasto.swatches import SWATCHES
from tests.apps.conftest import Command
from tests.thin import load_with

PAIR = ("stylize", "content.png", "style.png")
QUICK = (*PAIR, "--size", "32", "--steps", "2", "--device", "cpu", "--precision", "fp32")


def _pixels(path: Path | str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"content.png", "style.png"}


# --- painting ----------------------------------------------------------------------------------------------


def test_paints(impasto: Command, folder: Path, thin: None) -> None:
    run = impasto(*QUICK, "-o", "out.png")
    assert run.code == 0
    assert run.out.startswith("out.png: 32x24, 2 iterations, ")
    assert run.out.count("\n") == 1
    assert "painting 32x24 on cpu in fp32" in run.err
    assert "iteration 1/2" in run.err
    assert "iteration 2/2" in run.err
    assert _pixels("out.png").shape == (24, 32, 3)
    assert _names(folder) == {"out.png"}


@pytest.mark.processor
def test_paints_with_the_real_network(
    impasto: Command, folder: Path, convolutions: Convolutions, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_with(monkeypatch, lambda *given, **named: convolutions)
    assert impasto(*QUICK, "--init", "noise", "--json", "-o", "out.png").code == 0
    assert float(_pixels("out.png").std()) > 10


def test_quiet_says_only_what_was_written(impasto: Command, folder: Path, thin: None) -> None:
    run = impasto(*QUICK, "-q", "-o", "out.png")
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith("out.png: ")


def test_json_is_one_object(impasto: Command, folder: Path, thin: None) -> None:
    run = impasto(*QUICK, "--json", "-o", "out.png")
    assert (run.code, run.err, run.out.count("\n")) == (0, "", 1)
    summary = json.loads(run.out)
    assert set(summary) == {
        "output",
        "size",
        "steps",
        "stopped",
        "seconds",
        "loss",
        "losses",
        "last_loss",
        "peak_memory",
        "device",
        "precision",
        "notes",
        "recipe",
    }
    assert summary["output"] == "out.png"
    assert summary["size"] == [32, 24]
    assert (summary["steps"], summary["stopped"]) == (2, False)
    assert (summary["device"], summary["precision"]) == ("cpu", "fp32")
    assert summary["loss"] == pytest.approx(sum(summary["losses"].values()), rel=1e-5)
    assert Recipe.model_validate(summary["recipe"]) == Recipe.from_toml(images.read_metadata("out.png"))


def test_the_default_name_overwrites_nothing(impasto: Command, folder: Path, thin: None) -> None:
    wanted = []
    for _ in range(3):
        wanted.append(json.loads(impasto(*QUICK, "--json").out)["output"])
    assert wanted == ["content-style.png", "content-style-2.png", "content-style-3.png"]
    assert _names(folder) == set(wanted)


def test_save_every(impasto: Command, folder: Path, thin: None) -> None:
    options = ("--size", "32", "--steps", "5", "--save-every", "2", "-o", "out.webp")
    assert impasto(*PAIR, *options).code == 0
    assert _names(folder) == {"out-0002.webp", "out-0004.webp", "out.webp"}
    assert Recipe.from_toml(images.read_metadata("out-0002.webp")).steps == 5
    assert not np.array_equal(_pixels("out-0002.webp"), _pixels("out-0004.webp"))


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "webp", "tif", "tiff", "gif", "bmp", "PNG"])
def test_formats(impasto: Command, folder: Path, thin: None, suffix: str) -> None:
    assert impasto(*QUICK, "-o", f"out.{suffix}").code == 0
    assert _pixels(f"out.{suffix}").shape == (24, 32, 3)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits(impasto: Command, folder: Path, thin: None, suffix: str) -> None:
    assert impasto(*QUICK, "--bits", "16", "-o", f"out.{suffix}").code == 0
    levels = images.read(f"out.{suffix}").pixels * 65535 / 257
    assert float((levels - levels.round()).abs().max()) > 0.01  # between the steps of 8 bits


def test_several_styles(impasto: Command, folder: Path, thin: None) -> None:
    Image.fromarray(_pixels("style.png")[::-1]).save("other.png")
    run = impasto(
        *QUICK[:3], "other.png", *QUICK[3:], "--style-weights", "0.7,0.3", "--json", "-o", "out.png"
    )
    recipe = json.loads(run.out)["recipe"]
    assert [style["path"] for style in recipe["styles"]] == ["style.png", "other.png"]
    assert recipe["style_weights"] == [0.7, 0.3]


def test_every_option_reaches_the_recipe(impasto: Command, folder: Path, thin: None) -> None:
    given = {
        "preset": "gatys",
        "content_weight": 2.5,
        "style_weight": 7.0,
        "tv_weight": 0.5,
        "photo_weight": 0.25,
        "photo_finish": 2,
        "style_loss": "gram-elements",
        "content_loss": "half-sum",
        "size": 33,
        "style_size": 34,
        "style_scale": 0.75,
        "init": "noise",
        "steps": 3,
        "optimizer": "adam",
        "learning_rate": 1.5,
        "seed": 11,
        "device": "cpu",
        "precision": "fp32",
        "encoder": "vgg16",
        "weights": "some-name",
        "pooling": "average",
        "padding": "replicate",
    }
    options = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", value)]
    layers = ("--content-layers", "relu2_2=0.5,relu3_1", "--style-layers", "relu1_1")
    run = impasto(*PAIR, *options, *layers, "--faithful", "--json", "-o", "out.png")
    assert run.code == 0
    recipe = json.loads(run.out)["recipe"]
    assert {name: recipe[name] for name in given} == given
    assert recipe["content_layers"] == {"relu2_2": 0.5, "relu3_1": 1.0}
    assert recipe["style_layers"] == {"relu1_1": 1.0}
    assert recipe["faithful"] is True


def test_style_losses_by_layer(impasto: Command, folder: Path, thin: None) -> None:
    losses = "relu1_1=gram-share:0.2,relu2_1=histogram+patches:0.5"
    run = impasto(*QUICK, "--style-loss", losses, "--json", "-o", "out.png")
    assert run.code == 0
    summary = json.loads(run.out)
    recipe = summary["recipe"]
    assert recipe["style_layers"] == {"relu1_1": 1.0, "relu2_1": 1.0}
    assert recipe["style_losses"] == {
        "relu1_1": {"gram-share": 0.2},
        "relu2_1": {"histogram": 1.0, "patches": 0.5},
    }
    assert (
        impasto("stylize", "--recipe", "out.png", "--style-loss", "mean-deviation", "-o", "again.png").code
        == 0
    )
    assert impasto("stylize", "--recipe", "out.png", "--seed", "3", "-o", "same.png").code == 0
    assert np.array_equal(_pixels("out.png"), _pixels("same.png"))


def test_help_names_every_loss(impasto: Command) -> None:
    said = impasto("stylize", "--help").out
    for name in (*get_args(StyleLossName), *get_args(ContentLossName)):
        assert name in said.replace("\n", " "), name


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (940, 2)])
def test_narrow_pictures_are_painted_or_refused(
    impasto: Command, folder: Path, thin: None, size: tuple[int, int]
) -> None:
    Image.new("RGB", size, (200, 30, 90)).save("narrow.png")
    refused = impasto("stylize", "narrow.png", "style.png", "--size", "0", "--steps", "2", "-o", "out.png")
    assert refused.code == 2
    of = f"{size[0]}x{size[1]}"
    least = math.ceil(15.5 * max(size) / min(size)) if max(size) > 1 else 16
    assert refused.complaint() == (
        f"narrow.png: the chosen layers need at least 16 pixels on each side of the result, got {of} "
        f"from a picture of {of}; size {least} would do"
    )
    assert _names(folder) == {"narrow.png"}
    shallow = ("--content-layers", "relu1_1", "--style-layers", "relu1_1", "--size", "0", "--steps", "2")
    assert impasto("stylize", "narrow.png", "style.png", *shallow, "-o", "out.png").code == 0
    assert _pixels("out.png").shape == (size[1], size[0], 3)


def test_a_narrow_style_is_enlarged(impasto: Command, folder: Path, thin: None) -> None:
    Image.new("RGB", (64, 1), (200, 30, 90)).save("narrow.png")
    assert impasto("stylize", "content.png", "narrow.png", *QUICK[3:], "-o", "out.png").code == 0


# --- recipes -----------------------------------------------------------------------------------------------


def test_a_picture_repeats_itself(impasto: Command, folder: Path, thin: None) -> None:
    impasto(*QUICK, "--init", "noise", "--seed", "5", "-o", "out.png")
    assert impasto("stylize", "--recipe", "out.png", "-o", "again.png").code == 0
    assert np.array_equal(_pixels("out.png"), _pixels("again.png"))
    assert impasto("stylize", "--recipe", "out.png", "--seed", "6", "-o", "other.png").code == 0
    assert not np.array_equal(_pixels("out.png"), _pixels("other.png"))


@pytest.mark.processor
def test_plan(impasto: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_with(monkeypatch, lambda *given, **named: pytest.fail("planning needs no network"))
    before = _names(folder)
    run = impasto("plan", "content.png", "style.png", "--size", 1000, "--steps", 12)
    assert run.code == 0
    assert run.err.splitlines() == [
        "note: content.png: a picture of 40x30 is enlarged to 1000x750",
        "note: style.png: a picture of 36x32 is enlarged to 1000x889",
    ]
    *levels, summary = run.out.splitlines()
    assert levels == [
        "125x94: 3 iterations",
        "250x188: 3 iterations",
        "500x375: 3 iterations",
        "1000x750: 3 iterations",
    ]
    assert re.fullmatch(
        r"[\d.]+ [GM]B of memory of [\d.]+ [GM]B, about [\d.]+ (s|min|h), on cpu in \w+, tiles of 2048",
        summary,
    )
    assert _names(folder) == before


def test_plan_as_json(impasto: Command, folder: Path) -> None:
    plain = json.loads(impasto("plan", "content.png", "style.png", "--size", 3000, "--json").out)
    assert plain["levels"][-1]["size"] == [3000, 2250]
    assert plain["memory"] <= plain["limit"]
    limit = plain["memory"] - 100_000_000
    run = impasto("plan", "content.png", "style.png", "--size", 3000, "--memory", limit, "--json")
    less = json.loads(run.out)
    assert less["memory"] <= less["limit"] == limit
    assert less["tile"] < plain["tile"]
    assert any(f"tile: {less['tile']} instead of {plain['tile']}" in note for note in less["notes"])


def test_what_is_planned_is_painted(impasto: Command, folder: Path, thin: None) -> None:
    options = ("content.png", "style.png", "--size", 1000, "--steps", 2, "--memory")
    most = json.loads(impasto("plan", *options, "20GB", "--json").out)["memory"]
    planned = json.loads(impasto("plan", *options, most - 1, "--json").out)
    run = impasto("stylize", *options, most - 1, "--json", "-o", "out.png")
    painted = json.loads(run.out)
    assert painted["recipe"]["tile"] == planned["tile"] == 512
    assert painted["notes"] == planned["notes"]


def test_recipe_prints_what_stylize_wrote(impasto: Command, folder: Path, thin: None) -> None:
    impasto(*QUICK, "-o", "out.jpg")
    run = impasto("recipe", "out.jpg")
    assert (run.code, run.err) == (0, "")
    assert run.out == images.read_metadata("out.jpg")
    assert Recipe.from_toml(run.out).steps == 2
    Path("printed.toml").write_text(run.out, encoding="utf-8")
    assert impasto("stylize", "--recipe", "printed.toml", "-o", "again.jpg").code == 0
    assert np.array_equal(_pixels("out.jpg"), _pixels("again.jpg"))


def test_a_recipe_may_say_little(impasto: Command, folder: Path, thin: None) -> None:
    Path("some.toml").write_text('preset = "pastiche"\nsize = 32\nsteps = 4\n', encoding="utf-8")
    run = impasto(*PAIR, "--recipe", "some.toml", "--steps", "2", "--json", "-o", "out.png")
    recipe = Recipe.model_validate(json.loads(run.out)["recipe"])
    expected = resolve("pastiche", size=32, steps=2)
    assert recipe.model_copy(update={"content": None, "styles": ()}) == expected


def test_recipe_of_a_picture_without_one(impasto: Command, folder: Path) -> None:
    run = impasto("recipe", "content.png")
    assert run.code == 2
    assert run.complaint().startswith("content.png: expected a recipe inside the picture")


# --- looking around ----------------------------------------------------------------------------------------


def test_presets(impasto: Command) -> None:
    lines = impasto("presets").out.splitlines()
    assert [line.split()[0] for line in lines] == list(PRESETS)
    for name in PRESETS:
        assert Recipe.from_toml(impasto("presets", name).out) == resolve(name)
    assert Recipe.from_toml(impasto("presets", "seed", "--faithful").out) == resolve("seed", faithful=True)
    wrong = impasto("presets", "gatis")
    assert wrong.code == 2
    assert wrong.complaint().startswith("preset: unknown name 'gatis'; did you mean 'gatys'?")


def test_encoders(impasto: Command) -> None:
    every, one = impasto("encoders").out, impasto("encoders", "vgg16").out
    assert one in every
    assert "relu5_3" in one
    assert "relu5_4" not in one
    assert "features.18" in every
    assert "CC BY 4.0" in every
    assert "did you mean 'vgg19'" in impasto("encoders", "vgg-19").complaint()


def test_swatches(impasto: Command, folder: Path) -> None:
    first, second, *_ = SWATCHES
    run = impasto("swatches", first, second, "-o", "some/where", "--size", "64")
    assert run.code == 0
    assert run.out.splitlines() == [str(Path("some/where", f"{name}.png")) for name in (first, second)]
    assert _pixels(f"some/where/{second}.png").shape == (64, 64, 3)
    wrong = impasto("swatches", "wavez", "-o", "elsewhere")
    assert wrong.code == 2
    assert "did you mean 'waves'" in wrong.complaint()
    assert not Path("elsewhere").exists()
    Path("file").touch()
    blocked = impasto("swatches", first, "-o", "file", "--size", "64")
    assert blocked.code == 1
    assert blocked.complaint().startswith(f"{Path('file', first)}.png: cannot write: ")


def test_demo(impasto: Command, folder: Path, thin: None) -> None:
    run = impasto("demo", "-o", "here", "--size", "48", "--steps", "2", "--swatch", "mosaic")
    assert run.code == 0
    assert {path.name for path in Path("here").iterdir()} == {
        *("landscape.png", "mosaic.png", "draft.png", "painting.png"),
    }
    assert _pixels("here/painting.png").shape == (36, 48, 3)


@pytest.mark.processor
def test_doctor(
    impasto: Command, folder: Path, convolutions: Convolutions, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_with(monkeypatch, lambda *given, **named: convolutions)
    run = impasto("doctor")
    assert run.code == 0
    assert run.out.rstrip().endswith("passed")
    assert "weights: pastiche for vgg19" in run.out
    assert f"processor: {processor()}\n" in run.out
    assert _names(folder) == set()


def test_doctor_says_what_bfloat16_is_worth() -> None:
    assert _of_bfloat16(None) == "none; the network runs in float32"
    assert _of_bfloat16(0.347) == "the network runs at 0.35 times the speed of float32"
    assert _of_bfloat16(2.08) == "the network runs at 2.1 times the speed of float32"


def test_help(impasto: Command) -> None:
    run = impasto("--help")
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith("Usage: impasto")
    assert "impasto stylize photo.jpg painting.jpg" in run.out


@pytest.mark.parametrize("command", [name for name in app if not name.startswith("-")])
def test_help_of_a_command_has_examples_that_can_be_typed(
    impasto: Command, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    run = impasto(command, "--help")
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith(f"Usage: impasto {command}")
    examples = re.findall(r"^ +impasto (.*?) *(?:[#>].*)?$", run.out, re.MULTILINE)
    assert any(each.split()[0] == command for each in examples)
    for each in examples:
        app.parse_args(shlex.split(each), print_error=False, exit_on_error=False)


def test_version(impasto: Command) -> None:
    import impasto as package

    assert impasto("--version").out.strip() == package.__version__


@pytest.mark.parametrize("command", [command for group in COMMANDS.values() for command in group])
def test_the_list_of_commands_says_what_their_own_help_says(command: Command_) -> None:
    name = command.path.rpartition(":")[2]
    first = (app[name].default_command.__doc__ or "").split("\n\n")[0]
    assert first == command.summary


def test_help_lists_the_commands_in_groups(impasto: Command) -> None:
    out = impasto("--help").out
    places = [out.index(f"─ {heading} ─") for heading in COMMANDS]
    assert places == sorted(places)
    assert out.index("stylize ") < out.index("animate ")


@pytest.mark.parametrize("command", ["stylize", "presets", "completion"])
def test_help_as_a_word(impasto: Command, command: str) -> None:
    assert impasto("help", command).out == impasto(command, "--help").out
    assert impasto("help").out == impasto("--help").out
    assert "did you mean 'stylize'" in impasto("help", "stylise").complaint().lower().replace('"', "'")


def test_common_options_come_first(impasto: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out = impasto("stylize", "--help").out
    assert out.startswith("Usage: impasto stylize CONTENT STYLE... [OPTIONS]\n")
    common = out[out.index("─ Common ─") :]
    found = re.findall(r"^│ --([a-z-]+)", common, re.MULTILINE)
    assert found[:5] == ["output", "size", "quality", "strength", "style-weight"]
    assert out.index("─ Fine control ─") > out.index("─ Machine ─")


def test_help_shows_the_defaults_of_the_preset(impasto: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out = impasto("stylize", "--help").out
    for name, value in {"style-weight": "20", "margin": str(resolve().margin), "bounded": "yes"}.items():
        assert re.search(rf"(?s)--{name} .{{0,500}}?\[default: {value}\]", out)
    assert "[default: False]" not in out
    assert not re.search(r"--style-weight .*default", impasto("rerun", "--help").out)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(impasto: Command, shell: str) -> None:
    run = impasto("completion", shell)
    assert (run.code, run.err) == (0, "")
    assert "stylize" in run.out
    assert "style-weight" in run.out


def test_python_m_impasto() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "impasto", "--version"], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == app.version


def test_what_needs_no_torch_loads_none(impasto: Command, folder: Path, thin: None) -> None:
    """Neither help, nor what is only read from disk, nor a wrong argument."""
    assert impasto(*QUICK, "--run", "one", "-o", "out.png").code == 0
    assert impasto(*QUICK, "--run", "two").code == 0
    calls = [
        *("--help", "stylize --help", "help sweep", "presets", "presets gatys", "schema", "completion bash"),
        *("runs", "runs --json", "show one", "show one --json", "compare one two", "recipe out.png"),
        *("runs nowhere", "show nowhere", "compare one nowhere", "resume nowhere", "rerun nowhere.png"),
        *("animate nowhere -o a.gif", "report nowhere", "recipe content.png", "stylize --sze 3"),
        *("stylize a.png b.png", "stylize content.png style.png --steps 0", "plan content.png b.png"),
        *("texture b.png", "sweep content.png b.png", "losses content.png b.png out.png"),
        *("features b.png --layer relu1_1", "reconstruct style b.png", "swatches wavez", "stilize"),
    ]
    code = (
        "import sys; from impasto.apps.cli.__main__ import main\n"
        f"for call in {calls!r}:\n"
        "    main(call.split())\n"
        "    if 'torch' in sys.modules: sys.exit('torch was loaded by: ' + call)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


# --- going wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "code", "message"),
    [
        ("content.png/out.png", 1, "content.png/out.png: cannot write: "),
        (
            "out.txt",
            2,
            "out.txt: expected one of the suffixes .png, .jpg, .jpeg, .webp, .tif, .tiff, .gif, .bmp, got '.txt'",
        ),
        ("out", 2, "out: expected one of the suffixes "),
        ("folder.png/out", 2, "out: expected one of the suffixes "),
    ],
)
def test_where_nothing_can_be_written(
    impasto: Command,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    output: str,
    code: int,
    message: str,
) -> None:
    def too_late(*given: object, **named: object) -> None:
        raise AssertionError("work was begun")

    monkeypatch.setattr(images, "read", too_late)
    Path("folder.png").mkdir()
    run = impasto(*QUICK, "-o", output)
    assert run.code == code
    assert run.complaint().startswith(message)
    assert _names(folder) == {"folder.png"}


def test_a_picture_that_cannot_be_saved(
    impasto: Command, folder: Path, thin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    run = impasto(*QUICK, "--json", "-o", "out.png")
    assert run.code == 1
    assert run.complaint() == "out.png: cannot write the picture: no space left on the disk"
    assert _names(folder) == set()


def test_interrupted_before_anything_was_painted(
    impasto: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    load_with(monkeypatch, interrupt)
    run = impasto(*QUICK, "-o", "out.png")
    assert run.code == 130
    assert run.complaint() == "interrupted; no picture was painted"
    assert _names(folder) == set()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_saves_the_picture_so_far(impasto: Command, folder: Path, thin: None, number: str) -> None:
    options = ("--size", "32", "--steps", "100000", "--device", "cpu", "--precision", "fp32")
    process = subprocess.Popen(
        [sys.executable, "-m", "impasto.apps.cli", *PAIR, *options, "-o", "my picture.png"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "iteration" in line:
            process.send_signal(signal.Signals[number])
            break
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.Signals[number]
    assert out.startswith("my picture.png: 32x24, ")
    last = err.splitlines()[-1]
    assert last.startswith("impasto: interrupted after ")
    assert "Traceback" not in err
    assert _pixels("my picture.png").shape == (24, 32, 3)
    _, _, advice = last.partition("to continue: ")
    name, *arguments = shlex.split(advice)
    assert name == "impasto"
    done = int(last.split()[3])
    assert arguments[-2:] == ["--steps", str(100_000 - done)]
    assert impasto(*arguments[:-1], "2").code == 0
    assert _names(folder) == {"my picture.png", "content-style.png"}


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_a_name_that_is_not_utf8(folder: Path) -> None:
    """In a process of its own: there the stream refuses what capsys takes."""
    name = os.fsdecode(b"caf\xe9.png")
    Path(name).write_bytes(Path("content.png").read_bytes())
    command = (sys.executable, "-m", "impasto.apps.cli", "stylize", name, *QUICK[2:])
    done = subprocess.run(command, capture_output=True, timeout=120, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert done.stdout.startswith(rb"caf\udce9-style.png: 32x24")
    recipe = Recipe.from_toml(images.read_metadata(os.fsdecode(b"caf\xe9-style.png")))
    assert recipe.content is not None
    assert recipe.content.path == r"caf\udce9.png"


def test_a_closed_pipe_is_no_crash() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "impasto.apps.cli", "presets", "impasto"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    assert process.wait(timeout=60) in (0, 1)
    process.stderr.close()


# --- what is said --------------------------------------------------------------------------------------------


def test_the_default_size_is_said_where_none_is_given(impasto: Command, folder: Path, thin: None) -> None:
    quick = ("--steps", "1", "--smallest", "512", "--device", "cpu", "--precision", "fp32")
    note = "note: 512 pixels on the long side (your photograph has 40; --size 0 keeps them)"
    assert note in impasto(*PAIR, *quick).err.splitlines()
    assert note in impasto("plan", *PAIR[1:]).err.splitlines()
    for given in (("--size", "40"), ("--size", "0"), ("-s", "48")):
        assert "long side" not in impasto(*PAIR, *given, "--steps", "1").err


def test_time_left_is_that_of_the_steps(impasto: Command, folder: Path, thin: None) -> None:
    err = impasto(*PAIR, "--size", "32", "--steps", "9").err
    assert re.search(r"iteration \d+/\d+ loss [0-9.e+-]+ · \d+ s left · \d+ s so far", err)


def test_both_losses_are_named_where_they_differ(impasto: Command, folder: Path, thin: None) -> None:
    run = impasto(*PAIR, "--size", "32", "--steps", "3", "--margin", "8")
    last = re.findall(r"loss (\S+)", run.err)[-1]
    assert re.search(
        rf"loss \S+ as saved \({re.escape(last)} at the last iteration, with the margin\)", run.out
    )
    summary = json.loads(impasto(*PAIR, "--size", "32", "--steps", "3", "--margin", "8", "--json").out)
    assert f"{summary['last_loss']:.4g}" == last


def test_a_strength_is_measured_aloud(impasto: Command, folder: Path, thin: None) -> None:
    for more in ((), ("--run", "run")):
        err = impasto(*QUICK, "--strength", "0.5", *more).err
        assert err.index("measuring what the strength") < err.index("painting ")
    assert "measuring" not in impasto(*QUICK).err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("https://example.com/a.jpg", "style.png"), "expected a picture file, got a URL; download"),
        (("content.png", "http://example.com/a.jpg"), "got a URL"),
        (
            ("content.png", "style.png,content.png"),
            "put spaces between them: style.png content.png",
        ),
    ],
)
def test_what_other_tools_take_gets_a_hint(
    impasto: Command, folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    for command in ("stylize", "plan"):
        run = impasto(command, *arguments)
        assert run.code == 2
        assert said in run.complaint()


def test_a_command_to_type_next_stands_on_a_line_of_its_own(
    impasto: Command, folder: Path, thin: None
) -> None:
    impasto(*QUICK, "--run", "a run")
    for again in ((*QUICK, "--run", "a run"), ("resume", "a run")):
        line, command, rest = impasto(*again).err.split("\n")
        assert line.endswith(":")
        assert command.strip() in ("impasto resume 'a run'", "impasto rerun 'a run'")
        assert rest == ""


def test_an_unknown_command_shows_the_nearest_and_no_wall(impasto: Command) -> None:
    complaint = impasto("stilize", "a", "b").complaint()
    assert "stylize" in complaint
    assert "reconstruct" not in complaint


# --- textures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "option",
    [
        "content-weight",
        "content-layers",
        "content-loss",
        "color",
        "photo-weight",
        "strength",
        "recipe",
        "mask",
    ],
)
def test_a_texture_has_no_options_of_a_content(impasto: Command, folder: Path, option: str) -> None:
    assert f"--{option} " not in impasto("texture", "--help").out
    run = impasto("texture", "style.png", f"--{option}", "1")
    assert run.code == 2
    assert f"--{option}" in run.complaint()
