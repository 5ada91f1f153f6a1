"""`losses`, `features`, `reconstruct`: looking inside the network from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.apps.conftest import Command

PAIR = ("content.png", "style.png")
PAINT = ("stylize", *PAIR, "--size", "32", "--steps", "3", "--device", "cpu", "--precision", "fp32", "-q")


def test_losses_are_those_that_stylize_reported(impasto: Command, folder: Path, thin: None) -> None:
    reported = json.loads(impasto(*PAINT, "-o", "out.png", "--preset", "pastiche", "--json").out)
    (judged,) = json.loads(impasto("losses", *PAIR, "out.png", "--recipe", "out.png", "--json").out)
    assert judged["preset"] == "pastiche"
    assert judged["size"] == [32, 24]
    assert judged["loss"] == pytest.approx(reported["loss"], rel=1e-5)
    weighted = {term["name"]: term["weighted"] for term in judged["terms"]}
    assert weighted == pytest.approx(reported["losses"], rel=1e-5)


def test_losses_as_a_table(impasto: Command, folder: Path, thin: None) -> None:
    run = impasto(
        "losses", *PAIR, "content.png", "content.png", "--preset", "neural-style", "--sizes", "40,32", "-q"
    )
    assert (run.code, run.err) == (0, "")
    large, small = run.out.split("\n\n")
    assert large.startswith("[1] content.png at 40x30: loss ")
    assert small.startswith("[1] content.png at 32x24: loss ")
    lines = [line.split() for line in large.splitlines()]
    assert lines[2] == ["weight", "[1]", "value", "weighted", "share", "[2]", "value", "weighted", "share"]
    assert lines[3] == ["content", "relu4_2", "5", *2 * ["0", "0", "0.00%"]]
    assert [line[0] for line in lines[3:]] == ["content", *5 * ["style"], "tv", "total"]
    assert lines[-1][1] == lines[-1][2]


def test_losses_of_several_styles(impasto: Command, folder: Path, thin: None) -> None:
    shares = ("--also-style", "content.png", "--style-weights", "0.5,0.5", "--json")
    (judged,) = json.loads(impasto("losses", *PAIR, "content.png", *shares).out)
    (one,) = json.loads(impasto("losses", *PAIR, "content.png", "--json").out)
    assert 0.0 < judged["loss"] < one["loss"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("losses", *PAIR, "missing.png"), "missing.png"),
        (("losses", *PAIR, "style.png"), "style.png: expected the proportions of the content, 40x30"),
        (("losses", *PAIR, "content.png", "--sizes", "41"), "expected at most the long side"),
        (
            ("losses", *PAIR, "content.png", "--sizes", "20"),
            "need at least 16 pixels on each side, got 20x15",
        ),
        (("losses", *PAIR, "content.png", "--sizes", "0"), "--sizes"),
        (("losses", *PAIR, "content.png", "--sizes", "32,"), "--sizes"),
        (("losses", *PAIR, "content.png", "--preset", "gatis"), "did you mean 'gatys'"),
        (("losses", *PAIR, "content.png", "--content-layers", "relu9_1"), "relu9_1"),
        (("losses", *PAIR, "content.png", "--recipe", "content.png"), "without one"),
        (("losses", *PAIR, "content.png", "--max-pixels", "0"), "--max-pixels"),
        (("losses", *PAIR, "content.png", "--max-pixels", "1000"), "1200"),
        (("losses", *PAIR), ""),
    ],
)
def test_what_is_refused(
    impasto: Command, folder: Path, thin: None, arguments: tuple[str, ...], named: str
) -> None:
    run = impasto(*arguments)
    assert run.code == 2, run.err
    assert named in run.err
    assert "Traceback" not in run.err
    assert run.out == ""
    assert sorted(path.name for path in folder.iterdir()) == ["content.png", "style.png"]
