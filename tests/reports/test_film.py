"""The film of a run: its pictures in order, all of one size, fading into each other as light does."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from impasto.errors import ImageError, ParameterError
from impasto.images.animation import Frame
from impasto.recipes.fields import Input
from impasto.recipes.presets import resolve
from impasto.reports import film
from impasto.reports.film import animate, crossfade, frames, pictures, positions


def _painted(width: int, *, phase: float) -> PIL.Image.Image:
    """Soft waves, the same ones at every size."""
    y, x = np.mgrid[0 : width * 3 // 4, 0:width] / width
    planes = [128 + 100 * np.sin(9 * x + phase), 255 * y, 128 + 100 * np.cos(7 * y + phase)]
    return PIL.Image.fromarray(np.stack(planes, -1).clip(0, 255).astype(np.uint8))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with pictures at three sizes, after 1, 9 and 10 iterations, and a result."""
    folder = tmp_path / "run"
    folder.mkdir()
    content = tmp_path / "photo.jpg"
    _painted(96, phase=2.0).save(content)
    digest = hashlib.sha256(content.read_bytes()).hexdigest()
    recipe = resolve().model_copy(update={"content": Input(path=str(content), sha256=digest)})
    (folder / "recipe.toml").write_text(recipe.to_toml())
    for name, side in {"step-000010": 32, "step-000001": 12, "step-000009": 24, "result": 48}.items():
        _painted(side, phase=0.0).save(folder / f"{name}.png")
    return folder


def test_the_pictures_of_a_run(run: Path) -> None:
    names = ["step-000001.png", "step-000009.png", "step-000010.png", "result.png"]
    assert [path.name for path in pictures(run)] == names
    assert [path.name for path in pictures(run, before=True)] == ["photo.jpg", *names]
    (run / "result.png").unlink()
    assert [path.name for path in pictures(run)] == names[:-1]  # it may still be painting


def test_another_photograph_in_the_place_of_the_one_painted(run: Path) -> None:
    photo = run.parent / "photo.jpg"
    _painted(96, phase=1.0).save(photo)
    with pytest.raises(ParameterError, match=r"content .*photo\.jpg has changed since this run was painted"):
        pictures(run, before=True)
    photo.unlink()
    with pytest.raises(ImageError, match=r"photo\.jpg"):
        animate(run, run.parent / "film.webp", before=True)


def test_a_run_without_pictures_says_what_to_do(run: Path, tmp_path: Path) -> None:
    for path in run.glob("step-*.png"):
        path.unlink()
    with pytest.raises(
        ParameterError,
        match=r"run: .* at least 2 saved pictures, got 1; .*impasto rerun .*run --save-every log",
    ):
        animate(run, tmp_path / "film.gif")
    (run / "result.png").unlink()
    with pytest.raises(ParameterError, match="got none"):
        animate(run, tmp_path / "film.gif")
    with pytest.raises(ParameterError, match="expected the folder of a run"):
        animate(tmp_path, tmp_path / "film.gif")


@pytest.mark.parametrize(("hold", "before"), [(0, False), (3, False), (3, True)])
def test_positions(hold: int, before: bool) -> None:
    """From the first picture to the last one, evenly, with what stands still on top of it."""
    found = positions(4, 16, hold=hold, before=before)
    assert len(found) == 16
    assert (found[0], found[-1]) == (0.0, 3.0)
    assert found == sorted(found)
    assert found.count(3.0) == 1 + hold
    assert found.count(0.0) == 1 + (hold if before else 0)
    moving = found[hold if before else 0 : len(found) - hold]
    assert np.allclose(np.diff(moving), 3.0 / (len(moving) - 1))


def test_nothing_left_to_move() -> None:
    with pytest.raises(ParameterError, match="hold: expected less than the film, got 16 of its 16 frames"):
        positions(4, 16, hold=8, before=True)


def test_light_is_mixed() -> None:
    black, white = (np.full((2, 2, 3), value, np.uint8) for value in (0, 255))
    assert crossfade(black, white, 0.5)[0, 0, 0] == 188  # half the light; the mean of the numbers is 128
    every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    for share in (0.0, 0.3, 1.0):
        assert np.array_equal(crossfade(every, every, share), every)
    other = every[::-1]
    assert np.array_equal(crossfade(every, other, 0.0), every)
    assert np.array_equal(crossfade(every, other, 1.0), other)
    assert np.array_equal(crossfade(every, other, 0.25), crossfade(other, every, 0.75))


def test_two_pictures_at_a_time() -> None:
    asked: list[int] = []

    def picture(number: int) -> Frame:
        asked.append(number)
        return np.full((2, 2, 3), 10 * number, np.uint8)

    made = frames(
        [lambda number=number: picture(number) for number in range(5)], positions(5, 41, hold=0, before=False)
    )  # type: ignore[misc]
    for at, frame in enumerate(made):
        assert len(asked) <= at // 10 + 2
        if at % 10 == 0:
            assert (frame == at).all()
    assert asked == [0, 1, 2, 3, 4]


def test_a_film(run: Path, tmp_path: Path) -> None:
    counted: list[tuple[int, int]] = []
    made = animate(
        run,
        tmp_path / "film.gif",
        rate=10.0,
        seconds=2.0,
        hold=0.5,
        before=True,
        progress=lambda done, total: counted.append((done, total)),
    )
    assert (made.size, made.frames, made.rate, made.seconds, made.pictures) == ((48, 36), 20, 10.0, 2.0, 5)
    assert made.bytes == (tmp_path / "film.gif").stat().st_size
    assert counted == [(done, 20) for done in range(1, 21)]
    with PIL.Image.open(made.path) as opened:
        assert opened.info["duration"] == 600  # the first picture stands still
        first = np.asarray(opened.convert("RGB")).astype(float)
        opened.seek(opened.n_frames - 1)  # type: ignore[attr-defined]
        assert opened.info["duration"] == 600
        last = np.asarray(opened.convert("RGB")).astype(float)
    with PIL.Image.open(run / "result.png") as result, PIL.Image.open(run.parent / "photo.jpg") as photo:
        assert np.abs(last - np.asarray(result)).mean() < 8
        assert np.abs(first - np.asarray(photo.resize((48, 36)))).mean() < 12


@pytest.mark.parametrize(("suffix", "size"), [(".webp", (33, 25)), (".mp4", (32, 24))])
def test_another_size(run: Path, tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    if suffix == ".mp4":
        pytest.importorskip("av")
    made = animate(run, tmp_path / f"film{suffix}", rate=5.0, seconds=1.0, hold=0.2, size=33)
    assert (made.size, made.frames) == (size, 5)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"rate": 0.5}, "fps: expected 1 to 120, got 0.5"),
        ({"rate": float("nan")}, "fps"),
        ({"seconds": 0.0}, "seconds: expected more than 0"),
        ({"seconds": 601.0}, "seconds"),
        ({"hold": -1.0}, "hold: expected 0 to 600"),
        ({"hold": 8.0}, "hold: expected less than the film"),
        ({"size": 8}, "size: expected 16 or more"),
        ({"size": -1}, "size: expected 16 or more"),
    ],
)
def test_what_is_refused(run: Path, tmp_path: Path, options: dict[str, Any], named: str) -> None:
    with pytest.raises(ParameterError, match=named):
        animate(run, tmp_path / "film.gif", **options)
    assert not (tmp_path / "film.gif").exists()


def test_a_picture_that_is_damaged(run: Path, tmp_path: Path) -> None:
    (run / "step-000009.png").write_bytes((run / "step-000009.png").read_bytes()[:100])
    with pytest.raises(ImageError, match=r"step-000009\.png"):
        animate(run, tmp_path / "film.webp", rate=5.0, seconds=1.0, hold=0.0)
    assert not list(tmp_path.glob("*.webp")) + list(tmp_path.glob(".impasto*"))


def test_only_the_pictures_shown_are_read(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The palette of a GIF is made from at most twelve of them."""
    paths = [run / f"step-{number:06d}.png" for number in range(40)]
    assert len(film._evenly_spaced(paths, 12)) == 12
    assert film._evenly_spaced(paths, 12)[::11] == [paths[0], paths[-1]]
    assert film._evenly_spaced(paths[:5], 12) == paths[:5]
