"""What is written on a command line comes to the settings that are meant, or to one line that says what is wrong."""

from __future__ import annotations

import pytest

from impasto.errors import ParameterError
from impasto.recipes.parsing import (
    parse_integers,
    parse_layers,
    parse_memory,
    parse_names,
    parse_regions,
    parse_style_loss,
    parse_weights,
)


def test_regions() -> None:
    found = parse_regions(
        ["sky=sky.png", "sea=a=b.png"],
        ["sky=night.png"],
        ["sky=style:2,weight:1.5,loss:wasserstein", "sea=keep"],
    )
    assert found == [
        {
            "name": "sky",
            "mask": "sky.png",
            "style_mask": "night.png",
            "style": "2",
            "weight": "1.5",
            "loss": "wasserstein",
        },
        {"name": "sea", "mask": "a=b.png", "keep": True},
    ]
    assert parse_regions([], [], []) == []


@pytest.mark.parametrize(
    ("masks", "style_masks", "more", "complaint"),
    [
        (["sky"], [], [], "--mask: expected NAME=…, got 'sky'"),
        (["=a.png"], [], [], "--mask: expected NAME=…"),
        (["sky=a.png", "sky=b.png"], [], [], "--mask: expected each region once, got sky twice"),
        (["sky=a.png"], ["sea=b.png"], [], "--style-mask: region: unknown name 'sea'"),
        (
            ["sky=a.png"],
            [],
            ["sky=keep:1"],
            "--region sky: expected style:N, weight:W, loss:NAME, label:N or keep",
        ),
        (["sky=a.png"], [], ["sky=style:"], "--region sky: expected style:N"),
    ],
)
def test_what_is_no_region(masks: list[str], style_masks: list[str], more: list[str], complaint: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse_regions(masks, style_masks, more)
    assert complaint in str(caught.value)


def test_turns_and_names() -> None:
    assert parse_integers("0,90", option="--style-rotate") == (0, 90)
    assert parse_names("horizontal, no", option="--style-flip") == ("horizontal", "no")
    with pytest.raises(ParameterError, match="--style-rotate: expected whole numbers"):
        parse_integers("left", option="--style-rotate")


def test_memory() -> None:
    assert (parse_memory("4GB"), parse_memory("1.5 gib"), parse_memory(7)) == (
        4_000_000_000,
        1_610_612_736,
        7,
    )
    with pytest.raises(ParameterError, match="expected a size such as 4GB"):
        parse_memory("4 boxes")


def test_lists() -> None:
    assert parse_layers("relu1_1=0.5, relu2_1", option="-") == {"relu1_1": 0.5, "relu2_1": 1.0}
    assert parse_weights("0.7,0.3", option="-") == (0.7, 0.3)
    for bad in ("", "relu1_1=", "=3", "a=b", "a,a", "a==1"):
        with pytest.raises(ParameterError, match="-: expected"):
            parse_layers(bad, option="-")


def test_style_losses() -> None:
    def parse(text: str) -> dict[str, object]:
        return parse_style_loss(text, option="-")

    assert parse("patches") == {"style_loss": "patches", "style_losses": {}}
    assert parse("relu1_1=gram-share:0.2, relu4_1=patches") == {
        "style_layers": {"relu1_1": 1.0, "relu4_1": 1.0},
        "style_losses": {"relu1_1": {"gram-share": 0.2}, "relu4_1": {"patches": 1.0}},
    }
    assert parse("relu4_1=gram-share:0.2+patches:3")["style_losses"] == {
        "relu4_1": {"gram-share": 0.2, "patches": 3.0}
    }
    for bad, message in (
        ("", "unknown name ''"),
        ("patch", "did you mean 'patches'"),
        ("relu1_1=patch", "-: relu1_1: unknown name 'patch'; did you mean 'patches'"),
        ("relu1_1=patches,histogram", "expected LAYER=LOSS:WEIGHT"),
        ("relu1_1=", "expected LAYER=LOSS:WEIGHT"),
        ("=patches", "expected LAYER=LOSS:WEIGHT"),
        ("relu1_1=patches,relu1_1=histogram", "each layer once, got relu1_1 twice"),
        ("relu1_1=patches+patches:2", "each loss of relu1_1 once, got patches twice"),
        ("relu1_1=patches:much", "expected a number after relu1_1=patches:, got 'much'"),
        ("relu1_1=patches:", "expected a number after relu1_1=patches:, got ''"),
        ("relu1_1=patches+", "unknown name ''"),
    ):
        with pytest.raises(ParameterError) as error:
            parse(bad)
        assert message in str(error.value)
