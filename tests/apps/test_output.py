"""Nothing of the user's is lost: outputs, stops, streams, folders of pictures, recipes in files."""

from __future__ import annotations

import io
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from impasto import images
from impasto.apps.cli import output
from impasto.apps.cli.__main__ import main
from impasto.jobs import job
from impasto.recipes.recipe import Recipe
from impasto.runs.recording import Recording
from tests.apps.conftest import Command

PAIR = ("stylize", "content.png", "style.png")
SMALL = ("--size", "32", "--steps", "2", "--device", "cpu", "--precision", "fp32")
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")


def _tree() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def _recipe(path: str) -> Recipe:
    return Recipe.from_toml(images.read_metadata(path))


@pytest.fixture
def runs(impasto: Command, folder: Path, thin: None) -> None:
    for name in ("a", "b"):
        assert impasto(*PAIR, *SMALL, "--save-every", "1", "--run", name, "-q").code == 0


# --- overwriting -------------------------------------------------------------------------------------------

COMMANDS = [
    (*PAIR, *SMALL, "-o", "out.png"),
    (*PAIR, *SMALL, "-o", "new.png", "--save-every", "1"),
    ("texture", "style.png", *SMALL, "-o", "out.png"),
    ("rerun", "a", "-o", "out.png"),
    ("resume", "a", "--back-to", "1", "-o", "out.png"),
    ("animate", "a", "-o", "film.gif", "--fps", "5", "--seconds", "1", "--hold", "0.2"),
    ("compare", "a", "b", "-o", "out.png"),
    ("report", "a", "-o", "page.html"),
    ("features", "content.png", "--layer", "relu1_1", "-o", "out.png"),
    (
        "reconstruct",
        "content",
        "content.png",
        "--layers",
        "relu1_1",
        "--size",
        "32",
        "--steps",
        "2",
        "-o",
        "out.png",
    ),
    (
        *("reconstruct", "content", "content.png", "--layers", "relu1_1", "--size", "32", "--steps", "2"),
        *("-o", "new.png", "--pictures", "swatches"),
    ),
    ("recipe", "a/result.png", "-o", "mine.toml"),
    ("swatches", "waves", "--size", "64"),
]
THEIRS = ("out.png", "new-0002.png", "film.gif", "page.html", "mine.toml", "swatches/waves.png")


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: " ".join(arguments))
def test_what_exists_is_replaced_only_by_force(
    impasto: Command, runs: None, arguments: tuple[str, ...]
) -> None:
    Path("swatches").mkdir()
    for name in (*THEIRS, "swatches/content-relu1_1.png"):
        Path(name).write_bytes(b"the user's")
    before = _tree()
    refused = impasto(*arguments)
    assert refused.code == 2
    assert "give --force to replace it, or another name" in refused.complaint()
    assert _tree() == before
    forced = impasto(*arguments, "--force")
    assert forced.code == 0, forced.err
    assert sum(_tree()[name] != b"the user's" for name in before if before[name] == b"the user's") >= 1


@pytest.mark.parametrize(
    ("options", "target"),
    [
        ((), "content.png"),
        ((), "style.png"),
        (("--init", "other.png"), "other.png"),
        (("--palette", "other.png"), "other.png"),
        (("--mask", "all=other.png"), "other.png"),
        (("--mask", "all=content.png", "--style-mask", "all=other.png"), "other.png"),
        (("--recipe", "other.toml"), "link.png"),
        ((), "link.png"),
    ],
)
def test_an_output_is_no_input(
    impasto: Command, folder: Path, thin: None, options: tuple[str, ...], target: str
) -> None:
    shutil.copy("content.png", "other.png")
    Path("other.toml").write_text("size = 32\n", "utf-8")
    os.link("content.png", "link.png")
    before = _tree()
    run = impasto(*PAIR, *options, "-o", target, "--force")
    assert run.code == 2
    assert run.complaint().startswith(f"{target}: expected an output that is no input, got an input")
    assert _tree() == before


def test_a_read_only_file_is_not_replaced(impasto: Command, folder: Path, thin: None) -> None:
    Path("out.png").write_bytes(b"kept")
    Path("out.png").chmod(stat.S_IREAD)
    run = impasto(*PAIR, *SMALL, "-o", "out.png", "--force")
    assert run.code == 2
    assert "got a read-only one" in run.complaint()
    assert Path("out.png").read_bytes() == b"kept"


def test_two_at_once_get_two_names(impasto: Command, folder: Path, thin: None) -> None:
    with (
        output.Output().claimed("content-style", ()) as one,
        output.Output().claimed("content-style", ()) as two,
    ):
        assert (one.path, two.path) == (Path("content-style.png"), Path("content-style-2.png"))
        assert impasto(*PAIR, *SMALL).out.startswith("content-style-3.png: ")
    assert sorted(_tree()) == ["content-style-3.png", "content.png", "style.png"]


@pytest.mark.parametrize("name", ["a/b/out.png", "a/b/out.jpg"])
def test_missing_folders_are_made_for_a_picture_and_for_nothing_else(
    impasto: Command, folder: Path, thin: None, name: str
) -> None:
    assert impasto("stylize", "content.png", "gone.png", "-o", name).code == 2
    assert not Path("a").exists()
    assert impasto(*PAIR, *SMALL, "-o", name).code == 0
    assert Path(name).is_file()


def test_into_a_folder(impasto: Command, folder: Path, thin: None) -> None:
    Path("there").mkdir()
    assert impasto(*PAIR, *SMALL, "-o", "there").out.startswith(f"{Path('there', 'content-style.png')}: ")


@pytest.mark.parametrize("name", ["result.png", "events.jsonl", "run.json", "step-000001.png"])
def test_a_run_replaces_no_file(impasto: Command, folder: Path, thin: None, name: str) -> None:
    Path("mine").mkdir()
    Path("mine", name).write_text("mine")
    before = _tree()
    run = impasto(*PAIR, *SMALL, "--run", "mine")
    assert run.code == 2
    assert f"{Path('mine', name)}: expected a folder without such a file" in run.complaint()
    assert _tree() == before


def test_a_sweep_replaces_no_file(impasto: Command, folder: Path, thin: None) -> None:
    Path("mine").mkdir()
    Path("mine/sheet.png").write_text("mine")
    before = _tree()
    run = impasto("sweep", *PAIR[1:], *SMALL, "-o", "mine", "-q")
    assert (run.code, _tree()) == (2, before)


def test_long_names_are_shortened(impasto: Command, folder: Path, thin: None) -> None:
    for name in ("content", "style"):
        Path(f"{name}.png").rename(f"{name}{'é' * 110}.png")
    pair = ("stylize", f"content{'é' * 110}.png", f"style{'é' * 110}.png")
    run = impasto(*pair, *SMALL, "--save-every", "1")
    assert run.code == 0, run.err
    assert len(list(Path().iterdir())) == 5


# --- formats -----------------------------------------------------------------------------------------------


def test_how_a_file_is_written(impasto: Command, folder: Path, thin: None) -> None:
    sizes: dict[str, list[int]] = {}
    for suffix, option, values in (("jpg", "--file-quality", (20, 95)), ("png", "--compression", (9, 0))):
        for value in values:
            name = f"{value}.{suffix}"
            assert impasto(*PAIR, *SMALL, option, value, "-o", name).code == 0
            sizes.setdefault(suffix, []).append(Path(name).stat().st_size)
    assert all(small < large for small, large in sizes.values())
    assert impasto(*PAIR, *SMALL, "--no-recipe", "-o", "none.png").code == 0
    assert impasto("recipe", "none.png").code == 2
    assert impasto(*PAIR, *SMALL, "-o", "out.gif").code == 0
    assert _recipe("out.gif").size == 32


def test_open(impasto: Command, folder: Path, thin: None, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(output.subprocess, "Popen", lambda command, **named: shown.append(command))
    monkeypatch.setattr(output.sys, "platform", "linux")
    assert impasto(*PAIR, *SMALL, "-o", "out.png", "--open").code == 0
    assert shown == [["xdg-open", Path("out.png")]]


# --- stops -------------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_stop_writes_a_checkpoint_of_that_step(
    impasto: Command, folder: Path, thin: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    event, number = Recording._event, signal.Signals[name]

    def stop(self: Recording, step: Any) -> Any:
        if step.done == 3:
            signal.raise_signal(number)
        return event(self, step)

    monkeypatch.setattr(Recording, "_event", stop)
    run = impasto(*PAIR, *SMALL[:2], "--steps", "6", "--run", "run")
    assert run.code == 128 + number
    monkeypatch.setattr(Recording, "_event", event)
    resumed = impasto("resume", "run")
    assert resumed.code == 0
    assert resumed.err.startswith("run: goes on at iteration 4 of 6\n")


def test_resume_says_what_it_repeats(impasto: Command, runs: None) -> None:
    assert (
        "a: goes on at iteration 1 of 2; 1 to 1 are painted again"
        in impasto("resume", "a", "--back-to", "1").err
    )


@posix
def test_what_is_ignored_stays_ignored(impasto: Command, folder: Path, thin: None, monkeypatch: Any) -> None:
    """As nohup asks."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    event = Recording._event

    def hang_up(self: Recording, step: Any) -> Any:
        signal.raise_signal(signal.SIGHUP)
        return event(self, step)

    monkeypatch.setattr(Recording, "_event", hang_up)
    try:
        assert impasto(*PAIR, *SMALL, "--run", "run").code == 0
    finally:
        signal.signal(signal.SIGHUP, before)


# --- standard streams --------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.processor
@pytest.mark.parametrize(
    ("streams", "code"), [(">&-", 0), ("2>&-", 0), (">&- 2>&- <&-", 0), (">/dev/full", 1), ("2>/dev/full", 0)]
)
def test_streams_that_cannot_be_written(folder: Path, streams: str, code: int) -> None:
    command = " ".join((sys.executable, "-m", "impasto.apps.cli", *PAIR, *SMALL, "-o", "out.png", streams))
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    with Image.open("out.png") as picture:
        assert picture.size == (32, 24)


def test_in_a_thread(folder: Path, thin: None) -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(main([*PAIR, *SMALL, "-q", "-o", "out.png"])))
    thread.start()
    thread.join()
    assert codes == [0]
    assert Path("out.png").stat().st_size


class _Binary(io.TextIOWrapper):
    def __init__(self, data: bytes = b"") -> None:
        super().__init__(io.BytesIO(data), "utf-8")


def test_pipes(impasto: Command, folder: Path, thin: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert impasto(*PAIR, *SMALL, "-q", "-o", "out.png").code == 0
    monkeypatch.setattr(sys, "stdin", _Binary(Path("content.png").read_bytes()))
    monkeypatch.setattr(sys, "stdout", piped := _Binary())
    assert main(["stylize", "-", "style.png", *SMALL, "-q", "-o", "-"]) == 0
    data = piped.buffer.getvalue()  # type: ignore[attr-defined]
    with Image.open(io.BytesIO(data)) as one, Image.open("out.png") as other:
        assert np.array_equal(np.asarray(one), np.asarray(other))
    assert sorted(_tree()) == ["content.png", "out.png", "style.png"]


def test_a_run_keeps_what_came_through_a_pipe(
    impasto: Command, folder: Path, thin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", _Binary(Path("content.png").read_bytes()))
    assert impasto("stylize", "-", "style.png", *SMALL, "-q", "--run", "run").code == 0
    assert impasto("rerun", "run", "-q", "-o", "again.png").code == 0
    assert Path("run/stdin").read_bytes() == Path("content.png").read_bytes()
    monkeypatch.setattr(sys, "stdin", _Binary(b"no picture"))
    assert impasto("stylize", "-", "style.png", "--run", "other").code == 2
    assert not Path("other").exists()


# --- many contents -----------------------------------------------------------------------------------------


def test_a_folder_of_contents(impasto: Command, folder: Path, thin: None) -> None:
    Path("photos").mkdir()
    for name in ("a.png", "b.png", "b.bmp"):
        Image.open("content.png").save(Path("photos", name))
    Path("photos/broken.png").write_bytes(b"\x89PNG broken")
    Path("photos/read.txt").write_text("me")
    options = ("stylize", "photos", "style.png", *SMALL, "-q", "-o", "painted")
    run = impasto(*options)
    assert run.code == 1
    assert f"note: {Path('photos', 'read.txt')}: skipped, expected a picture" in run.err
    assert f"failed: {Path('photos', 'broken.png')}: broken.png: " in run.err
    assert run.err.splitlines()[-1] == "impasto: 1 of 4 pictures failed"
    names = ["a-style.png", "b.bmp-style.png", "b.png-style.png"]
    assert sorted(path.name for path in Path("painted").iterdir()) == names
    assert impasto(*PAIR, *SMALL, "-q", "-o", "one.png").code == 0
    assert np.array_equal(np.asarray(Image.open("one.png")), np.asarray(Image.open("painted/a-style.png")))
    Path("photos/broken.png").unlink()
    Path("painted/a-style.png").write_bytes(b"")  # as a killed process leaves it
    before = _tree()
    again = impasto(*options)
    assert again.code == 0
    assert again.err.count("skipped, it exists") == 2
    assert {name for name, data in _tree().items() if before[name] != data} == {
        str(Path("painted/a-style.png"))
    }
    assert impasto("stylize", "photos/*.png", "style.png", *SMALL, "-q", "-o", "other").code == 0
    assert len(list(Path("other").iterdir())) == 2
    assert impasto("stylize", "photos", "style.png", "-o", "photos").code == 2
    assert impasto("stylize", "photos", "gone.png", "-o", "new").code == 2


def test_a_folder_is_gone_on_with(
    impasto: Command, folder: Path, thin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("photos").mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy("content.png", Path("photos", name))
    write: Callable[..., None] = images.write

    def stop(path: Path, *rest: Any, **named: Any) -> None:
        write(path, *rest, **named)
        monkeypatch.setattr(images, "read", interrupt)

    def interrupt(*given: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(output.Output, "write", lambda self, *given: interrupt())
        run = impasto("stylize", "photos", "style.png", *SMALL, "-q", "-o", "painted")
    assert run.code == 130
    assert "interrupted, 0 of 2 pictures are done; the same command goes on" in run.err
    assert not Path("painted").exists()
    assert impasto("stylize", "photos", "style.png", *SMALL, "-q", "-o", "painted").code == 0


def test_several_styles_are_meant(impasto: Command, folder: Path, thin: None) -> None:
    shutil.copy("style.png", "other.png")
    asked = impasto(*PAIR, "other.png", *SMALL)
    assert asked.code == 2
    assert "give --blend" in asked.complaint()
    for options in (
        (*PAIR, "other.png", "--blend"),
        ("stylize", "content.png", "--style", "style.png", "--style", "other.png"),
        (*PAIR, "other.png", "--style-weights", "1,2"),
    ):
        assert impasto(*options, *SMALL, "-q", "--force", "-o", "out.png").code == 0
        assert [style.path for style in _recipe("out.png").styles] == ["style.png", "other.png"]


# --- recipes -----------------------------------------------------------------------------------------------


def test_a_picture_names_no_folder(impasto: Command, folder: Path, thin: None) -> None:
    Path("in").mkdir()
    for name in ("content.png", "style.png"):
        shutil.move(name, "in")
    pair = ("stylize", folder / "in/content.png", folder / "in/style.png")
    more = ("--init", folder / "in/content.png", "--mask", f"all={folder / 'in/content.png'}")
    assert impasto(*pair, *more, *SMALL, "-q", "--run", "run", "--save-every", "1", "-o", "out.png").code == 0
    for name in ("out.png", "run/result.png", "run/step-000001.png"):
        assert str(folder) not in images.read_metadata(name)
        assert _recipe(name).inputs[0][1].path == "content.png"
    assert str(folder) in Path("run/recipe.toml").read_text("utf-8")
    # In the run's folder, and beside the pictures, they are found again.
    assert impasto("stylize", "--recipe", "run/result.png", "-q", "--strict", "-o", "again.png").code == 0
    shutil.copy("out.png", "in/out.png")
    assert impasto("stylize", "--recipe", "in/out.png", "-q", "--strict", "-o", "beside.png").code == 0
    assert len({Path(name).read_bytes() for name in ("out.png", "again.png", "run/result.png")}) <= 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_of_recipes(impasto: Command, folder: Path, thin: None, encoding: str) -> None:
    Path("style.png").rename("café.png")
    assert impasto("stylize", "content.png", "café.png", *SMALL, "-q", "-o", "out.png").code == 0
    assert impasto("recipe", "out.png", "-o", "mine.toml").code == 0
    text = Path("mine.toml").read_text("utf-8")
    Path("other.toml").write_text(text, encoding)
    assert impasto("stylize", "--recipe", "other.toml", "--strict", "-q", "-o", "again.png").code == 0
    assert impasto("recipe", "out.png").out == text


@posix
@pytest.mark.parametrize("name", ["\uffff.png", "a\x01\n.png", os.fsdecode(b"caf\xe9.png")])
def test_names_that_metadata_cannot_have(impasto: Command, folder: Path, thin: None, name: str) -> None:
    shutil.copy("content.png", name)
    options = ("--palette", name, "--mask", f"all={name}", "--init", name)
    assert impasto("stylize", name, "style.png", *options, *SMALL, "-q", "-o", "out.jpg").code == 0
    assert impasto("stylize", "--recipe", "out.jpg", "--strict", "-q", "-o", "again.jpg").code == 0


def test_changed_pictures_are_told(impasto: Command, folder: Path, thin: None) -> None:
    names = ("content", "style", "palette", "init", "mask", "style-mask")
    for name in names[2:]:
        shutil.copy("content.png", f"{name}.png")
    options = ("--palette", "palette.png", "--init", "init.png", "--mask", "all=mask.png")
    more = ("--style-mask", "all=style-mask.png")
    assert impasto(*PAIR, *options, *more, *SMALL, "-q", "-o", "out.png").code == 0
    same = impasto("rerun", "out.png", "-o", "same.png", "--strict")
    assert (same.code, "note" in same.err) == (0, False)
    for name in names:
        with Image.open(f"{name}.png") as picture:
            picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(f"{name}.png")
    told = impasto("rerun", "out.png", "-o", "changed.png")
    assert told.code == 0
    for name in names:
        assert told.err.count(f" {name}.png has changed since the recipe was written\n") == 1
    before = _tree()
    refused = impasto("stylize", "--recipe", "out.png", "--strict", "-o", "new.png")
    assert refused.code == 2
    assert refused.complaint().startswith(
        "--strict: expected the pictures of the recipe, got content content.png"
    )
    assert _tree() == before
    # Pictures that are given are not those of the recipe.
    given = impasto(*PAIR, "--recipe", "out.png", *options, *more, "--strict", "-q", "-o", "new.png")
    assert given.code == 0, given.err


# --- sweeps ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["_session", "RunFolder"])
def test_a_sweep_outlives_any_error(
    impasto: Command, folder: Path, thin: None, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    whole, calls = getattr(job, where), 0  # RunFolder: the first that a run needs

    def fails(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == (3 if where == "_session" else 1):  # each run is checked first
            raise ZeroDivisionError("division by zero")
        return whole(*given, **named)

    monkeypatch.setattr(job, where, fails)
    run = impasto("sweep", *PAIR[1:], *SMALL, "--grid", "style_weight=1,2", "-q")
    assert run.code == 1
    assert "style_weight=1: ZeroDivisionError: division by zero" in run.err
    assert "1 of 2 pictures done" in run.out
