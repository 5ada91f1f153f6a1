"""`losses`, `features`, `reconstruct`: looking inside the network from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from impasto.inspection import reconstruct
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
    "given",
    [
        ("--color", "keep"),
        ("--color", "match", "--color-match", "histogram"),
        ("--palette", "palette.png"),
        ("--mask", "left=left.png", "--region", "left=weight:2,loss:mean-deviation"),
        ("--mask", "left=left.png", "--style-mask", "left=left.png"),
    ],
    ids=lambda given: given[1],
)
def test_losses_by_the_options_are_those_by_the_recipe(
    impasto: Command, folder: Path, thin: None, given: tuple[str, ...]
) -> None:
    left = PIL.Image.new("L", (40, 30))
    left.paste(255, (0, 0, 20, 30))
    left.save("left.png")
    PIL.Image.linear_gradient("L").convert("RGB").save("palette.png")
    impasto(*PAINT, "-o", "out.png", *given)
    by_recipe, by_options, plain = (
        json.loads(impasto("losses", *PAIR, "out.png", *options, "--json").out)
        for options in (("--recipe", "out.png"), (*given, "--precision", "fp32", "--device", "cpu"), ())
    )
    assert by_options == by_recipe
    assert plain[0]["loss"] != by_recipe[0]["loss"]


def test_feature_maps_and_their_numbers(impasto: Command, folder: Path, thin: None) -> None:
    shown = ("features", "content.png", "--layers", "relu1_1,relu3_1", "--size", "32")
    run = impasto(*shown, "-o", "maps.png", "--channels", "5", "-q")
    assert (run.code, run.err) == (0, "")
    lines = [line.split() for line in run.out.splitlines()]
    assert [line[:3] for line in lines[1:3]] == [["relu1_1", "32x24", "4"], ["relu3_1", "8x6", "16"]]
    assert lines[3:] == [["maps.png"]]
    with PIL.Image.open("maps.png") as sheet:
        assert min(sheet.size) > 200
    found = json.loads(impasto(*shown, "--json").out)
    assert [(each["layer"], each["size"], len(each["channels"])) for each in found] == [
        ("relu1_1", [32, 24], 4),
        ("relu3_1", [8, 6], 16),
    ]
    for channel in found[1]["channels"]:
        assert channel["maximum"] >= channel["mean"] >= 0.0
        assert 0.0 <= channel["zeros"] <= 1.0
    assert lines[2][-6:] == [str(channel["number"]) for channel in found[1]["channels"][:6]]


def test_gram_matrices_and_their_distance(impasto: Command, folder: Path, thin: None) -> None:
    run = impasto("features", "content.png", "--layer", "relu2_1", "--gram", "-o", "gram.png", "-q")
    assert (run.code, run.err) == (0, "")
    default = impasto("features", "content.png", "--layer", "relu2_1", "--gram", "-q")
    assert default.out.splitlines()[-1] == "content-gram.png"
    assert Path("content-gram.png").read_bytes() == Path("gram.png").read_bytes()
    pair = ("features", *PAIR[:1], "--compare", PAIR[1], "--layers", "relu1_1,relu2_1", "--size", "0")
    assert "relu2_1" in impasto(*pair, "-o", "grams.png").out
    sizes = []
    for name in ("gram.png", "grams.png"):
        with PIL.Image.open(name) as sheet:
            sizes.append(sheet.size)
    assert sizes[1] > sizes[0]
    found = json.loads(impasto(*pair, "--json").out)
    assert [each["layer"] for each in found] == ["relu1_1", "relu2_1"]
    assert all(each["share"] > 0.0 and each["mean"] > 0.0 for each in found)
    same = json.loads(impasto("features", "content.png", "--compare", "content.png", *pair[4:], "--json").out)
    assert [each["share"] for each in same] == [0.0, 0.0]


def test_a_reconstruction(impasto: Command, folder: Path, thin: None) -> None:
    quick = ("content.png", "--size", "32", "--steps", "4", "--precision", "fp32")
    run = impasto("reconstruct", "content", *quick, "--layers", "relu1_2,relu3_1", "--pictures", "each", "-q")
    assert (run.code, run.err) == (0, "")
    assert run.out.splitlines()[-1] == "content-content.png"
    assert sorted(path.name for path in Path("each").iterdir()) == [
        "content-relu1_2.png",
        "content-relu3_1.png",
    ]
    with PIL.Image.open("each/content-relu3_1.png") as one, PIL.Image.open("content-content.png") as sheet:
        assert one.size == (32, 24)
        assert sheet.width > 3 * 32
    loud = impasto("reconstruct", "style", *quick, "-o", "sheet.png", "--json", "--seed", "3")
    found = json.loads(loud.out)
    assert loud.err == ""
    assert [each["layers"][-1] for each in found] == [f"relu{block}_1" for block in range(1, 6)]
    assert [len(each["losses"]) for each in found] == [1, 2, 3, 4, 5]
    assert {each["steps"] for each in found} == {4}
    told = impasto("reconstruct", "content", *quick, "--layers", "relu1_1", "-o", "sheet.png", "--force")
    assert "content relu1_1 4/4" in told.err


def test_an_interrupted_reconstruction_shows_what_was_done(
    impasto: Command, folder: Path, thin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = reconstruct.reconstruct

    def interrupted(*given: Any, **named: Any) -> Iterator[reconstruct.Reconstruction]:
        making = whole(*given, **named)
        yield next(making)
        raise KeyboardInterrupt

    monkeypatch.setattr(reconstruct, "reconstruct", interrupted)
    run = impasto("reconstruct", "style", "content.png", "--size", "32", "--steps", "2", "-q")
    assert run.code == 130
    assert run.err == "impasto: interrupted; content-style.png has 1 of 5 reconstructions\n"
    assert Path("content-style.png").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("features", "content.png"), "--layers"),
        (("features", "missing.png", "--layer", "relu1_1"), "missing.png"),
        (("features", "content.png", "--layer", "relu21"), "did you mean 'relu2_1'"),
        (("features", "content.png", "--layer", "relu1_1,"), "unknown name ''"),
        (("features", "content.png", "--layer", "relu1_1", "--size", "-1"), "size: expected 0 or more"),
        (("features", "content.png", "--layer", "relu5_1", "--size", "20"), "need at least 16 pixels"),
        (("features", "content.png", "--layer", "relu1_1", "--channels", "0"), "channels: expected 1"),
        (("features", "content.png", "--layer", "relu1_1", "-o", "maps.psd"), "maps.psd"),
        (("features", "content.png", "--layer", "relu1_1", "--max-pixels", "1000"), "1000"),
        (("features", "content.png", "--layer", "relu1_1", "--compare", "missing.png"), "missing.png"),
        (("reconstruct", "colour", "content.png"), "colour"),
        (("reconstruct", "style", "missing.png"), "missing.png"),
        (("reconstruct", "style", "content.png", "--layers", "relu1_9"), "relu1_9"),
        (("reconstruct", "style", "content.png", "--layers", "relu1_1,relu1_1"), "each once"),
        (("reconstruct", "style", "content.png", "--size", "20"), "need at least 16 pixels"),
        (("reconstruct", "style", "content.png", "--steps", "0"), "steps: expected 1 or more, got 0"),
        (("reconstruct", "style", "content.png", "--steps", "1.5"), "whole number"),
        (("reconstruct", "style", "content.png", "--seed", "-1"), "seed: expected 0 or more"),
        (("reconstruct", "style", "content.png", "-o", "sheet.psd"), "sheet.psd"),
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
        (("losses", *PAIR, "content.png", "--mask", "sky"), "--mask: expected NAME="),
        (("losses", *PAIR, "content.png", "--region", "sky=keep"), "--region: region"),
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
