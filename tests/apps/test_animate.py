"""`impasto animate`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import PIL.Image
import pytest

from tests.apps.conftest import Command

QUICK = ("stylize", "content.png", "style.png", "--size", "32", "--steps", "6", "--device", "cpu", "-q")
SHORT = ("--fps", "10", "--seconds", "1", "--hold", "0.3")


@pytest.fixture
def run(impasto: Command, folder: Path, thin: None) -> str:
    done = impasto(*QUICK, "--run", "run", "--save-every", "log")
    assert done.code == 0, done.err
    return "run"


def test_a_run_becomes_a_film(impasto: Command, run: str) -> None:
    made = impasto("animate", run, "-o", "film.gif", *SHORT, "--before", "-q")
    assert (made.code, made.err) == (0, "")
    assert made.out.startswith("film.gif: 32x24, 10 frames from 7 pictures, 1.0 s at 10 a second, ")
    with PIL.Image.open("film.gif") as film:
        assert film.size == (32, 24)
        assert film.n_frames > 3  # type: ignore[attr-defined]


def test_json(impasto: Command, run: str) -> None:
    made = impasto("animate", run, "-o", "film.webp", *SHORT, "--size", "64", "--json")
    assert (made.code, made.err) == (0, "")
    about = json.loads(made.out)
    assert about["size"] == [64, 48]
    assert (about["frames"], about["fps"], about["seconds"], about["pictures"]) == (10, 10.0, 1.0, 6)
    assert about["bytes"] == Path("film.webp").stat().st_size


def test_rerun_keeps_what_a_film_needs(impasto: Command, folder: Path, thin: None) -> None:
    assert impasto(*QUICK, "--run", "old").code == 0
    refused = impasto("animate", "old", "-o", "film.gif", *SHORT)
    assert refused.code == 2
    assert "impasto rerun old --save-every log --run NEW" in refused.complaint()
    assert impasto("rerun", "old", "--save-every", "log", "--run", "new", "-q").code == 0
    assert Path("new/result.png").read_bytes()[-2000:] == Path("old/result.png").read_bytes()[-2000:]
    assert impasto("animate", "new", "-o", "film.gif", *SHORT, "-q").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (("missing", "-o", "film.gif"), 2, "expected the folder of a run"),
        (("run", "-o", "film.avi"), 2, "expected one of the suffixes"),
        (("run", "-o", "run/result.png"), 2, "expected an output that is no input"),
        (("run",), 2, "--output"),
        (("run", "-o", "film.gif", "--fps", "0"), 2, "fps"),
        (("run", "-o", "film.gif", "--seconds", "-1"), 2, "seconds"),
        (("run", "-o", "film.gif", "--hold", "9"), 2, "hold"),
        (("run", "-o", "film.gif", "--size", "1.5"), 2, "--size"),
    ],
)
def test_what_is_refused(
    impasto: Command, run: str, arguments: tuple[str, ...], code: int, named: str
) -> None:
    before = set(Path().rglob("*"))
    refused = impasto("animate", *arguments)
    assert refused.code == code
    assert named in refused.complaint()
    assert set(Path().rglob("*")) == before


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has other signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_on_the_way(run: str, number: signal.Signals) -> None:
    """Nothing is left behind, and one line says so."""
    Path("film.gif").write_bytes(b"the one before")
    command = [
        sys.executable,
        "-m",
        "impasto.apps.cli.__main__",
        "animate",
        run,
        "-o",
        "film.gif",
        "--force",
        "--seconds",
        "600",
    ]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    until = time.monotonic() + 60
    while not list(Path().glob(".impasto-*.part")) and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.1)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + number, "")
    assert err.splitlines()[-1] == "impasto: interrupted; no film was written"
    assert Path("film.gif").read_bytes() == b"the one before"
    assert not list(Path().glob(".impasto-*"))
