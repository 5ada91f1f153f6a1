"""What is written on a command line comes to the settings that are meant, or to one line that says what is wrong."""

from __future__ import annotations

import pytest

from impasto.errors import ParameterError
from impasto.runs.spelling import parse_memory, parse_names, parse_regions, parse_turns


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
        (["sky=a.png"], [], ["sky=keep:1"], "--region sky: expected style:N, weight:W, loss:NAME or keep"),
        (["sky=a.png"], [], ["sky=style:"], "--region sky: expected style:N"),
    ],
)
def test_what_is_no_region(masks: list[str], style_masks: list[str], more: list[str], complaint: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse_regions(masks, style_masks, more)
    assert complaint in str(caught.value)


def test_turns_and_names() -> None:
    assert parse_turns("0,90", option="--style-rotate") == (0, 90)
    assert parse_names("horizontal, no", option="--style-flip") == ("horizontal", "no")
    with pytest.raises(ParameterError, match="--style-rotate: expected 0, 90, 180 or 270"):
        parse_turns("left", option="--style-rotate")


def test_memory() -> None:
    assert (parse_memory("4GB"), parse_memory("1.5 gib"), parse_memory(7)) == (
        4_000_000_000,
        1_610_612_736,
        7,
    )
    with pytest.raises(ParameterError, match="expected a size such as 4GB"):
        parse_memory("4 boxes")
