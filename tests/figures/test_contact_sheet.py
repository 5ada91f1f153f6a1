"""Contact sheets: every picture is in its place, and nothing is too small for its label."""

from __future__ import annotations

import PIL.Image
import pytest

from impasto.errors import ParameterError
from impasto.figures.contact_sheet import contact_sheet, labelled, tagged

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


def plain(color: tuple[int, int, int], size: tuple[int, int] = (40, 30)) -> PIL.Image.Image:
    return PIL.Image.new("RGB", size, color)


def test_pictures_stand_in_rows_and_columns() -> None:
    sheet = contact_sheet([[plain(RED), plain(GREEN)], [None, plain(BLUE)]])
    assert sheet.getpixel((28, 23)) == RED
    assert sheet.getpixel((28 + 48, 23)) == GREEN
    assert sheet.getpixel((28, 23 + 38)) == (255, 255, 255)
    assert sheet.getpixel((28 + 48, 23 + 38)) == BLUE


def test_rows_of_different_length() -> None:
    sheet = contact_sheet([[plain(RED)], [plain(GREEN), plain(BLUE), plain(RED)]])
    assert sheet.size == (3 * 48 + 8, 2 * 38 + 8)


def test_a_picture_larger_than_a_cell_is_made_smaller_and_a_smaller_one_stays() -> None:
    sheet = contact_sheet([[plain(RED, (400, 200))], [plain(GREEN, (10, 10))]], cell=100)
    assert sheet.size == (116, 8 + 50 + 8 + 10 + 8)


def test_transparent_is_white() -> None:
    sheet = contact_sheet([[PIL.Image.new("RGBA", (40, 30), (0, 0, 0, 0))]])
    assert sheet.getpixel((28, 23)) == (255, 255, 255)


@pytest.mark.parametrize("label", ["style weight 10000 and more", "Vétheuil"])
def test_labels_have_room(label: str) -> None:
    bare = contact_sheet([[plain(RED)]])
    labelled = contact_sheet([[plain(RED)]], row_labels=[label], column_labels=[label], title=label)
    assert labelled.width > bare.width + 30
    ink = [each < 128 for each in labelled.convert("L").crop((0, 0, labelled.width, 20)).tobytes()]
    assert any(ink)
    # No letter is cut off: the outermost line of pixels is paper.
    assert labelled.crop((labelled.width - 1, 0, labelled.width, labelled.height)).getcolors() == [
        (labelled.height, (255, 255, 255))
    ]


def test_nothing_to_show_is_said() -> None:
    with pytest.raises(ParameterError, match="at least one picture"):
        contact_sheet([[None]])


@pytest.mark.parametrize("label", ["7: 12", "a label much wider than its picture"])
def test_a_label_stands_below_a_picture_that_stays_as_it_is(label: str) -> None:
    found = labelled(plain(RED), label)
    left = (found.width - 40) // 2
    assert found.crop((left, 0, left + 40, 30)).getcolors() == [(1200, RED)]
    below = found.crop((0, 30, found.width, found.height)).convert("L")
    assert min(below.tobytes()) < 128
    for column in (0, found.width - 1):  # no letter is cut off
        assert set(below.crop((column, 0, column + 1, below.height)).tobytes()) == {255}


def columns_of(sheet: PIL.Image.Image, color: tuple[int, int, int], y: int) -> list[int]:
    return [x for x in range(sheet.width) if sheet.getpixel((x, y)) == color]


def test_long_headings_are_broken_and_do_not_push_the_columns_apart() -> None:
    pictures = [plain(color, (100, 60)) for color in (RED, GREEN, BLUE)]
    sheet = contact_sheet([pictures], column_labels=["a", "style weight 20 and style scale 0.5", "b"])
    y = sheet.height - 30
    starts = [columns_of(sheet, color, y)[0] for color in (RED, GREEN, BLUE)]
    assert starts == [8, 116, 224]
    assert sheet.width == 332


def test_row_labels_stand_after_the_leading_columns() -> None:
    sheet = contact_sheet([[plain(RED), plain(GREEN)]], row_labels=["wide label"], lead=1)
    red, green = columns_of(sheet, RED, 23), columns_of(sheet, GREEN, 23)
    assert red[0] == 8
    assert green[0] - red[-1] > 60
    between = sheet.crop((red[-1] + 1, 0, green[0], sheet.height)).convert("L")
    assert min(between.tobytes()) < 128


def test_a_note_is_never_cut_off() -> None:
    sheet = contact_sheet(
        [[plain(RED)]], title="x", note="12: 208 = channel 12, maximum 208. Strongest first."
    )
    assert sheet.crop((sheet.width - 1, 0, sheet.width, sheet.height)).getcolors() == [
        (sheet.height, (255, 255, 255))
    ]

    # Nor are the letters that reach below the line: the sheet with and without "y" differ below it.
    def ink(note: str) -> int:
        head = contact_sheet([[plain(RED)]], note=note).crop((0, 0, 60, 40)).convert("L")
        return max(at // 60 for at, value in enumerate(head.tobytes()) if value < 128 and at // 60 < 30)

    assert ink("yyy") >= ink("xxx") + 3


@pytest.mark.parametrize("tag", ["content", "style: a name much longer than the picture"])
def test_a_tag_stays_inside_its_picture(tag: str) -> None:
    found = tagged(plain(RED, (90, 60)), tag)
    assert found.size == (90, 60)
    assert found.getpixel((45, 20)) == RED
    assert {found.getpixel((x, 55)) for x in range(90)} != {RED}
