"""A sweep's pictures are those that `stylize` paints alone, whatever stops it on the way, and work is done once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

import impasto
from impasto import images
from impasto.assembly.networks import Encoder, build_encoder
from impasto.engine.tiling import targets
from impasto.errors import DivergedError, OutputError, ParameterError
from impasto.jobs.job import Event, Limits
from impasto.recipes.grid import check_grid, variants
from impasto.recipes.presets import resolve
from impasto.recipes.recipe import Recipe
from impasto.runs.folder import RunFolder
from impasto.runs.readers import find, read_events, read_summary, status
from impasto.swatches import paint as swatch
from impasto.sweeps import sheet
from impasto.sweeps.sweep import Sweep
from impasto.sweeps.sweep import sweep as paint
from impasto.transfer import strength
from impasto.transfer.resources import SessionCache
from impasto.transfer.session import Session
from tests.apps.conftest import thin  # noqa: F401

OPTIONS: dict[str, Any] = {"size": 40, "steps": 4, "smallest": 20, "device": "cpu", "precision": "fp32"}
GRID: dict[str, list[Any]] = {"style_weight": [5.0, 50.0], "style_size": [32, 48]}

Pictures = tuple[Path, ...]


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pictures:
    """photo.png (64 x 48), glass.png and waves.png; the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(strength, "SIDE", 32)
    PIL.Image.fromarray(swatch("points", size=64)[:48]).save("photo.png")
    for name in ("glass", "waves"):
        PIL.Image.fromarray(swatch(name, size=56)).save(f"{name}.png")
    return Path("photo.png"), Path("glass.png"), Path("waves.png")


def _sweep(
    pictures: Pictures,
    grid: dict[str, Any],
    *,
    folder: str = "out",
    jobs: int = 1,
    shared: SessionCache | None = None,
    **options: Any,
) -> Sweep:
    given = {**OPTIONS, **options}
    found = variants(
        lambda settings: resolve(**{**given, **settings}),
        contents=pictures[:1],
        styles=pictures[1:],
        grid=check_grid(grid),
    )
    return Sweep(Path(folder), found, jobs=jobs, shared=shared)


def _pixels(path: Path) -> np.ndarray[Any, Any]:
    with PIL.Image.open(path) as picture:
        return np.asarray(picture)


def _check_alone(found: list[dict[str, Any]], **options: Any) -> None:
    """Every run's picture and loss are what its recipe gives alone."""
    for run in found:
        alone = impasto.stylize(run["content"], run["style"], **{**OPTIONS, **options, **run["settings"]})
        assert (_pixels(Path(run["run"]) / "result.png") == alone.to_array()).all()
        assert run["loss"] == alone.loss


def test_each_is_what_it_is_alone(pictures: Pictures, thin: None) -> None:  # noqa: F811
    found = paint("out", pictures[0], pictures[1:], grid=GRID, **OPTIONS)
    assert [run["status"] for run in found] == ["done"] * 8
    assert len({_pixels(Path(run["run"]) / "result.png").tobytes() for run in found}) == 8
    _check_alone(found)
    assert find(Path("out")) == sorted(Path(run["run"]) for run in found)
    assert Path("out/report.html").stat().st_size > 10_000
    assert found[0]["run"] == "out/photo-glass/style_weight=5,style_size=32"


def test_other_networks_presets_and_starts(pictures: Pictures, thin: None) -> None:  # noqa: F811
    content, style, start = pictures
    for grid in (
        {"preset": ["impasto", "gatys"], "pooling": ["max", "average"]},
        {"init": ["noise", start], "strength": [0.3]},
        {"tile": [0, 32], "optimizer": ["adam"]},
        {"color": ["keep", "match"]},
    ):
        found = paint("out", content, style, grid=grid, **OPTIONS)
        assert [run["status"] for run in found] == ["done"] * len(found)
        _check_alone(found)


def test_work_is_done_once(
    pictures: Pictures,
    thin: None,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded: list[str] = []
    read: list[str] = []
    summed: list[tuple[int, ...]] = []
    sums = targets._style

    def counted_load(recipe: Recipe, *, progress: Any) -> Encoder:
        loaded.append(recipe.encoder)
        return build_encoder(recipe, progress=progress)

    def counted_read(source: Any, *, max_pixels: int, shrink_to: int = 0) -> images.Picture:
        read.append(str(Path(source).name))
        return images.read(source, max_pixels=max_pixels, shrink_to=shrink_to)

    def counted_sums(stream: Any, terms: Any, wholes: Any, picture: Any, *rest: Any) -> Any:
        summed.append(tuple(picture.shape[-2:]))
        return sums(stream, terms, wholes, picture, *rest)

    monkeypatch.setattr(targets, "_style", counted_sums)
    shared = SessionCache(read=counted_read, load=counted_load)
    made = _sweep(pictures[:2], {**GRID, "pooling": ["average", "max"]}, shared=shared)
    assert list(made.paint())[-1].status == "done"
    assert loaded == ["vgg19"] * 2
    assert sorted(read) == ["glass.png", "photo.png"]
    # Eight pictures, but only two sizes of the style for each of two networks.
    assert len(summed) == 4


def test_begun_again_it_skips_and_goes_on(pictures: Pictures, thin: None) -> None:  # noqa: F811
    pair = pictures[:2]
    with closing(_sweep(pair, GRID).paint()) as events:
        for event in events:
            if event.name == "photo-glass/style_weight=5,style_size=48" and event.done == 3:
                break
    again = _sweep(pair, GRID)
    first, second, *others = (job.path for job in again.queue)
    assert (status(first), status(second)) == ("done", "stopped")
    assert (second / "step-000003.png").exists()
    assert not any(path.exists() for path in others)
    before = {path: path.stat().st_mtime_ns for path in first.rglob("*")}
    assert [job.state for job in again.queue] == ["done", "begun", "new", "new"]
    seen = list(again.paint())
    assert seen[0].name == "photo-glass/style_weight=5,style_size=48"
    # The iterations done are not done again.
    went_on = [event.done for event in seen if event.name.endswith("glass/style_weight=5,style_size=48")]
    assert went_on == [0, 4, 4]
    assert [event["done"] for event in read_events(second)] == [1, 2, 3, 4]
    assert {path: path.stat().st_mtime_ns for path in first.rglob("*")} == before
    _check_alone(again.overview())
    assert list(_sweep(pair, GRID).paint()) == []


@pytest.mark.parametrize("stage", ["session", "begun"])
def test_stopped_before_the_first_iteration(pictures: Pictures, thin: None, stage: str) -> None:  # noqa: F811
    made = _sweep(pictures, {"style_weight": [5.0]})
    events = made.paint()
    if stage == "begun":
        assert next(events).status == "begun"
    events.close()
    assert made.sheet() is None
    found = paint("out", pictures[0], pictures[1:], grid={"style_weight": [5.0]}, **OPTIONS)
    assert [run["status"] for run in found] == ["done", "done"]
    _check_alone(found)


def test_another_grid_adds_runs(pictures: Pictures, thin: None) -> None:  # noqa: F811
    list(_sweep(pictures, {"style_weight": [5.0]}).paint())
    more = _sweep(pictures, {"style_weight": [5.0, 7.0]})
    assert [job.state for job in more.queue] == ["done", "new", "done", "new"]
    assert {event.name for event in more.paint()} == {
        "photo-glass/style_weight=7",
        "photo-waves/style_weight=7",
    }
    assert len(find(Path("out"))) == 4


def _swapped(pictures: Pictures) -> None:
    PIL.Image.fromarray(swatch("mosaic", size=56)).save(pictures[1])


@pytest.mark.parametrize(
    ("change", "options", "named"),
    [
        (None, {"size": 48}, "size 40 there, 48 here"),
        (None, {"seed": 3}, "seed 0 there, 3 here"),
        (None, {"precision": "bf16"}, "precision fp32 there, bf16 here"),
        (_swapped, {}, "glass.png has changed since"),
        (
            lambda _: Path("out/photo-glass/style_weight=5/result.png").unlink(),
            {},
            "expected the result.png of this",
        ),
        (lambda _: Path("out/recipe.toml").write_text(""), {}, "expected a folder for many runs"),
        (
            lambda _: Path("out/photo-glass/style_weight=5/recipe.toml").write_text("size = 'x'"),
            {},
            "recipe.toml: size",
        ),
    ],
)
def test_a_folder_of_something_else_is_refused(
    pictures: Pictures,
    thin: None,  # noqa: F811
    change: Callable[[Pictures], object] | None,
    options: dict[str, Any],
    named: str,
) -> None:
    list(_sweep(pictures, {"style_weight": [5.0]}).paint())
    if change is not None:
        change(pictures)
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*")}
    with pytest.raises(ParameterError) as raised:
        _sweep(pictures, {"style_weight": [5.0, 6.0]}, **options)
    assert named in str(raised.value)
    assert {path: path.stat().st_mtime_ns for path in Path("out").rglob("*")} == before


def test_what_the_machine_chose_is_no_other_setting(pictures: Pictures, thin: None) -> None:  # noqa: F811
    strengths = {"strength": [0.4]}
    automatic = {"device": "auto", "precision": "auto"}
    list(_sweep(pictures, strengths, **automatic).paint())
    for options in (automatic, {**automatic, "tile": 512}):
        assert {job.state for job in _sweep(pictures, strengths, **options).queue} == {"done"}


def test_a_run_that_fails_does_not_stop_the_others(
    pictures: Pictures,
    thin: None,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = Session.steps

    def diverging(session: Session, resume: Any = None, **options: Any) -> Any:
        for step in steps(session, resume, **options):
            if session.recipe.style_weight == 5.0 and step.done == 2:
                raise DivergedError("the optimisation cannot go on")
            yield step

    monkeypatch.setattr(Session, "steps", diverging)
    made = _sweep(pictures[:2], {"style_weight": [5.0, 6.0]})
    (made.folder / "photo-glass").mkdir(parents=True)
    ended = [event for event in made.paint() if event.ended]
    assert [(event.status, event.notes) for event in ended] == [
        ("failed", ("the optimisation cannot go on",)),
        ("done", ()),
    ]
    assert [run["status"] for run in made.overview()] == ["failed", "done"]
    monkeypatch.undo()


def test_a_folder_that_cannot_be_written_to(pictures: Pictures, thin: None) -> None:  # noqa: F811
    with pytest.raises(OutputError, match=r"photo\.png: expected a folder"):
        _sweep(pictures, GRID, folder="photo.png")
    made = _sweep(pictures[:2], {"style_weight": [5.0, 6.0]})
    (made.folder / "photo-glass").mkdir(parents=True)
    (made.folder / "photo-glass/style_weight=5").write_text("in the way")
    ended = [event for event in made.paint() if event.ended]
    assert [event.status for event in ended] == ["failed", "done"]
    assert "cannot write" in ended[0].notes[0]


def test_another_process_is_at_it(pictures: Pictures, thin: None) -> None:  # noqa: F811
    made = _sweep(pictures, {"style_weight": [5.0]})
    with RunFolder(made.queue[1].path), pytest.raises(OutputError, match="another process"):
        list(made.paint())
    assert not made.queue[0].path.exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"grid": {"size": [40, 3]}}, "size"),
        ({"grid": {"style_layers": [{"relu9_1": 1.0}]}}, "relu9_1"),
        ({"memory": "1MB", "grid": {}}, "needs"),
        ({"encoder": lambda image, layers: {}, "grid": {}}, "encoder: expected a name"),
        ({"style": "missing.png", "grid": {}}, "missing.png"),
        ({"style": [], "grid": {}}, "at least one"),
        ({"content": torch.zeros(3, 8, 8), "grid": {}}, "expected"),
        ({"jobs": 0, "grid": {}}, "jobs"),
        ({"style_weights": (1.0, 2.0), "grid": {}}, "style_weights"),
    ],
)
def test_what_is_refused_before_anything_is_written(
    pictures: Pictures,
    thin: None,  # noqa: F811
    options: dict[str, Any],
    named: str,
) -> None:
    given = {"content": pictures[0], "style": pictures[1], **OPTIONS, **options}
    if "size" in given["grid"]:
        del given["size"]
    with pytest.raises(impasto.InputError) as raised:
        paint("out", **given)
    assert named in str(raised.value)
    assert not Path("out").exists()


def test_the_sheet(pictures: Pictures, thin: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    shown: dict[str, Any] = {}

    def contact_sheet(rows: Any, **options: Any) -> PIL.Image.Image:
        shown.update(options, rows=rows)
        return original(rows, **options)

    original = sheet.contact_sheet
    monkeypatch.setattr(sheet, "contact_sheet", contact_sheet)
    made = _sweep(pictures, {"style_weight": [5.0, 50.0], "style_size": [32], "steps": [3, 2]})
    assert made.sheet() is None
    with closing(made.paint()) as events:
        for event in events:
            if event.status == "done" and event.name.startswith("photo-waves"):
                break
    written = made.write_sheet()
    assert written == Path("out/sheet.png")
    assert shown["column_labels"] == ["", "style weight 5", "style weight 50"]
    assert shown["row_labels"] == ["style size 32, steps 3", "style size 32, steps 2"] * 2
    # The content once, its first style below it; the second pair has the second style.
    there = [[each is not None for each in row] for row in shown["rows"]]
    assert there == [[True] * 3, [True] * 3, [True, True, False], [False] * 3]
    for job in made.queue[:4]:
        row = 0 if job.variant.settings["steps"] == 3 else 1
        column = 1 if job.variant.settings["style_weight"] == 5.0 else 2
        assert (np.asarray(shown["rows"][row][column]) == _pixels(job.path / "result.png")).all()
    results = shown["rows"][0][1]
    for row in shown["rows"][:3]:  # inputs fit into the cells of the results: the gaps are even
        assert row[0].width <= results.width
        assert row[0].height <= results.height


def test_the_sheet_of_one_row_has_content_and_style_side_by_side(
    pictures: Pictures,
    thin: None,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(sheet, "contact_sheet", lambda rows, **options: shown.append((rows, options)))
    made = _sweep(pictures, {"style_weight": [5.0, 50.0]})
    list(made.paint())
    made.sheet()
    rows, options = shown[0]
    assert options["lead"] == 2
    assert options["column_labels"] == ["", "", "style weight 5", "style weight 50"]
    assert options["row_labels"] == []
    assert [[each is not None for each in row] for row in rows] == [[True] * 4, [False, True, True, True]]


def test_the_sheet_without_the_photograph(pictures: Pictures, thin: None) -> None:  # noqa: F811
    made = _sweep(pictures[:2], {"style_weight": [5.0, 6.0]})
    list(made.paint())
    whole = made.sheet()
    pictures[0].unlink()
    (made.queue[0].path / "result.png").write_bytes(b"no picture")
    damaged = made.sheet()
    assert whole is not None and damaged is not None
    assert damaged.width <= whole.width
    assert damaged.tobytes() != whole.tobytes()


def test_the_colours_of_a_third_picture(pictures: Pictures, thin: None) -> None:  # noqa: F811
    content, style, palette = pictures
    grid = {"color_match": ["covariance", "histogram"]}
    options: dict[str, Any] = {"color": "palette", "palette": palette}
    found = paint("out", content, style, grid=grid, **OPTIONS, **options)
    _check_alone(found, **options)


# --- several processes, with the real network: a process of its own knows no other ------------------------------

SMALL: dict[str, Any] = {**OPTIONS, "size": 32, "steps": 3}


def _moments(made: Sweep, until: Callable[[Event], bool]) -> list[Event]:
    seen: list[Event] = []
    with closing(made.paint()) as events:
        for event in events:
            seen.append(event)
            if until(event):
                break
    return seen


def test_several_at_once_paint_the_same(pictures: Pictures) -> None:
    grid = {"style_weight": [5.0, 50.0, 500.0]}
    both = pictures[:2]
    killed: list[int] = []

    def kill_one(event: Event) -> bool:
        if event.status == "painting" and not killed:
            (worker,) = (each for each in active_children() if each.name.endswith(event.name))
            assert worker.pid is not None
            worker.kill()
            killed.append(worker.pid)
        return event.name.endswith("=500") and event.status == "painting"

    made = _sweep(both, grid, jobs=2, **SMALL)
    assert made.limits == Limits(memory=made.limits.memory, threads=1)
    seen = _moments(made, kill_one)
    failed = [event for event in seen if event.status == "failed"]
    assert len(failed) == len(killed) == 1
    assert "ended with code" in failed[0].notes[0]
    assert active_children() == []
    # The one killed, the one done, and the one that was stopped.
    assert sorted(run["status"] for run in made.overview()) in (
        ["done", "interrupted", "stopped"],
        ["done", "done", "interrupted"],
        ["interrupted", "stopped", "stopped"],
    )
    # What several processes have begun, one goes on with.
    found = paint("out", *both, grid=grid, **SMALL)
    assert [run["status"] for run in found] == ["done"] * 3
    _check_alone(found, **SMALL)
    assert all((read_summary(Path(run["run"])) or pytest.fail("no summary")).threads == 1 for run in found)
