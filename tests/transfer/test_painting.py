"""A steered picture: its recipe paints it again to the last bit, and its folder survives as any other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

import impasto
from impasto.errors import InputError, ParameterError
from impasto.recipes.fields import Change
from impasto.recipes.recipe import Recipe
from impasto.runs.create import begin, stylize
from impasto.runs.layout import CHECKPOINTS
from impasto.runs.readers import read_events, read_recipe, read_steering, status
from impasto.runs.recording import Recording
from impasto.runs.resume import go_on, reopen
from impasto.swatches import paint
from impasto.transfer import planner as plan
from tests.thin import load_with, quick, thin

OPTIONS: dict[str, Any] = {"size": 40, "steps": 12, "smallest": 20, "device": "cpu", "precision": "fp32"}
HALVES: dict[str, Any] = {
    "regions": [{"name": "left", "mask": "left.png"}, {"name": "right", "mask": "right.png", "keep": True}]
}
WAYS: dict[str, dict[str, Any]] = {
    "lbfgs": {},
    "lbfgs-wolfe": {"optimizer": "lbfgs-wolfe"},
    "adam": {"optimizer": "adam", "averaging": 0.9},
    "tiles": {"tile": 16},
    "seamless": {"seamless": True},
    "samples": {"style_loss": "sliced-wasserstein", "content_loss": "self-similarity"},
    "faithful": {"preset": "pastiche", "faithful": True, "size": 40, "steps": 12},
}
CHANGES: list[dict[str, Any]] = [
    {"style_weight": 90.0},
    {"content_weight": 3.0, "learning_rate": 0.7},
    {"style_weights": [0.9, 0.1]},
]


class PowerCutError(Exception):
    """What stops a run here."""


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[Path]]:
    load_with(monkeypatch, thin)
    monkeypatch.setattr(plan, "forecast", quick)
    monkeypatch.setattr("impasto.runs.recording.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.chdir(tmp_path)
    names = ("content", "style", "other")
    for name, drawing in zip(names, ("points", "glass", "waves"), strict=True):
        PIL.Image.fromarray(paint(drawing, size=64)[:48]).save(f"{name}.png")
    for name, columns in (("left", slice(0, 30)), ("right", slice(34, 64)), ("all", slice(0, 64))):
        mask = np.zeros((48, 64), np.uint8)
        mask[:, columns] = 255
        PIL.Image.fromarray(mask).save(f"{name}.png")
    PIL.Image.fromarray(np.zeros((48, 64), np.uint8)).save("black.png")
    return tmp_path / "content.png", [tmp_path / "style.png", tmp_path / "other.png"]


def steered(painting: Any, *, undo: bool = False) -> tuple[impasto.Step, list[float]]:
    """Painted with :data:`CHANGES` after 3, 6 and 9 iterations, and perhaps undone in between; the last step."""
    losses: list[float] = []
    undone = 0 if undo else 2
    for step in painting:
        del losses[step.done - 1 :]
        losses.append(step.loss)
        if step.done == 8 and undone == 0:
            assert painting.undo(2) == 2
            assert painting.change(style_weight=5.0)
            undone = 1
        elif step.done == 3 and undone == 1:
            assert painting.undo() == 2
            assert painting.recipe.changes == ()
            undone = 2
        elif step.done in (3, 6, 9):
            painting.change(**CHANGES[step.done // 3 - 1])
    return step, losses


@pytest.mark.parametrize("way", WAYS)
def test_a_recipe_with_changes_repeats_the_steered_picture(
    pictures: tuple[Path, list[Path]], way: str
) -> None:
    options = {**OPTIONS, **WAYS[way]}
    painting = impasto.iterate(*pictures, **options)
    last, losses = steered(painting)
    image, recipe = last.image, painting.recipe
    assert [change.at for change in recipe.changes] == [3, 6, 9]
    again = list(impasto.iterate(*pictures, recipe=Recipe.from_toml(recipe.to_toml())))
    assert [step.loss for step in again] == losses
    assert torch.equal(again[-1].image, image)
    plain = [step.loss for step in impasto.iterate(*pictures, **options)]
    assert [one == other for one, other in zip(losses, plain, strict=True)] == [True] * 3 + [False] * 9
    result = impasto.stylize(*pictures, recipe=recipe)
    assert result.recipe == recipe
    assert torch.equal(result.image, image)


@pytest.mark.parametrize("limit", [0, 10_000_000])
@pytest.mark.parametrize("way", ["lbfgs", "adam", "samples"])
def test_what_was_undone_leaves_nothing_behind(
    pictures: tuple[Path, list[Path]], monkeypatch: pytest.MonkeyPatch, way: str, limit: int
) -> None:
    monkeypatch.setattr(impasto.transfer.api, "UNDO_BYTES", limit)
    options = {**OPTIONS, **WAYS[way]}
    there, losses = steered(impasto.iterate(*pictures, **options))
    image = there.image
    painting = impasto.iterate(*pictures, **options)
    back, found = steered(painting, undo=True)
    assert found == losses
    assert torch.equal(back.image, image)
    # Also from the end.
    assert painting.undo(7) == 7
    assert [step.done for step in painting] == [8, 9, 10, 11, 12]
    assert [change.at for change in painting.recipe.changes] == [3, 6]


def test_masks_are_changed(pictures: tuple[Path, list[Path]]) -> None:
    painting = impasto.iterate(*pictures, **OPTIONS)
    for step in painting:
        if step.done == 5:
            before = step.image
            painting.change(**HALVES)
            with pytest.raises(InputError, match="black all over"):
                painting.change(regions=[{"name": "left", "mask": "black.png"}])
            with pytest.raises(InputError, match=r"gone\.png"):
                painting.change(regions=[{"name": "left", "mask": "gone.png"}])
    photo = images_of(pictures[0], step.image)
    assert torch.allclose(step.image[..., 24:], photo[..., 24:], atol=1e-6)  # kept as it was
    assert not torch.allclose(before[..., 24:], photo[..., 24:], atol=0.02)
    assert "style relu1_1 left" in step.losses
    (change,) = painting.recipe.changes
    assert change.regions is not None
    assert all(region.mask.sha256 for region in change.regions)
    image = step.image
    *_, last = impasto.iterate(*pictures, recipe=painting.recipe)
    assert torch.equal(last.image, image)


def images_of(path: Path, like: torch.Tensor) -> torch.Tensor:
    from impasto import images
    from impasto.geometry import resize

    return resize(images.read(path).pixels, (like.shape[-2], like.shape[-1]))


def test_only_what_differs_is_a_change(pictures: tuple[Path, list[Path]]) -> None:
    painting = impasto.iterate(*pictures, **OPTIONS)
    next(painting)
    assert painting.change(style_weight=20, tv_weight=None, learning_rate=None) == {}
    assert painting.recipe.changes == ()
    assert painting.change(style_weight=30, content_weight=1.0) == {"style_weight": 30.0}
    assert painting.change(content_weight=2.0) == {"content_weight": 2.0}
    assert painting.recipe.changes == (Change(at=1, style_weight=30.0, content_weight=2.0),)
    assert painting.undo() == 1
    assert painting.recipe.changes == ()
    assert next(painting).done == 2


def test_a_strength_becomes_a_weight(pictures: tuple[Path, list[Path]]) -> None:
    painting = impasto.iterate(*pictures, **OPTIONS, strength=0.4)
    measured = impasto.iterate(*pictures, **OPTIONS, strength=0.8).recipe.style_weight
    next(painting)
    assert painting.change(strength=0.8) == {"style_weight": measured}
    assert painting.recipe.strength == 0.4
    with pytest.raises(ParameterError, match="strength: expected without weights"):
        painting.change(strength=0.8, style_weight=3)
    list(painting)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"style_wight": 3},
            r"change: setting: unknown name 'style_wight'; did you mean 'style_weight', 'style_weights' or",
        ),
        ({"size": 512}, r"size: expected a setting that can be changed while painting \(content_weight, "),
        ({"style_weight": -1}, r"change: style_weight: expected greater than or equal to 0, got -1"),
        ({"style_weight": "much"}, r"change: style_weight: expected a valid number, got 'much'"),
        ({"learning_rate": 0}, r"change: learning_rate: expected greater than 0, got 0"),
        ({"style_weights": (1.0,)}, r"style_weights: expected one for each of 2 styles, got 1"),
        (
            {"style_layers": {"relu3_4": 1}},
            r"style_layers: expected layers of the initial style_layers",
        ),
        ({"style_weight": 0, "content_weight": 0}, r"expected a weight above 0, got nothing to minimise"),
        (
            {"regions": [{"name": "a", "mask": "left.png", "style": 3}]},
            r"region a: expected a style from 1 to 2",
        ),
    ],
)
def test_what_cannot_be_changed(
    pictures: tuple[Path, list[Path]], settings: dict[str, Any], said: str
) -> None:
    painting = impasto.iterate(*pictures, **OPTIONS)
    first = next(painting)
    with pytest.raises(ParameterError, match=said) as error:
        painting.change(**settings)
    assert "\n" not in str(error.value)
    assert painting.recipe.changes == ()
    assert first.image.shape == (1, 3, 30, 40)
    *_, last = painting  # nothing came of it
    *_, plain = impasto.iterate(*pictures, **OPTIONS)
    assert last.loss == plain.loss


def test_where_nothing_can_be_changed_or_undone(pictures: tuple[Path, list[Path]]) -> None:
    painting = impasto.iterate(*pictures, **OPTIONS)
    with pytest.raises(ParameterError, match="undo: expected a change to undo, got none"):
        painting.undo()
    with pytest.raises(ParameterError, match="undo: expected 0 to 0 iterations, got 3"):
        painting.undo(3)
    list(painting)
    with pytest.raises(ParameterError, match="change: expected a step to come, got all 12 done"):
        painting.change(style_weight=3)
    painting.undo(12)
    with pytest.raises(ParameterError, match="change: expected a step to come"):
        painting.change(style_weight=3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            [{"at": 12, "style_weight": 3}],
            "expected increasing iterations below 12, the number of steps, got a change after 12",
        ),
        (
            [{"at": 3, "tv_weight": 1}, {"at": 3, "tv_weight": 2}],
            "expected increasing iterations .* got a change after 3",
        ),
        ([{"at": 3, "size": 64}], r"changes\.0\.size: expected a known setting"),
        ([{"at": 3, "style_weight": 0, "content_weight": 0}], "after 3 iterations: .* nothing to minimise"),
    ],
)
def test_a_recipe_of_changes_that_cannot_be(changes: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        impasto.resolve(**{**OPTIONS, "changes": changes})


def test_a_layer_that_the_picture_is_too_small_for(pictures: tuple[Path, list[Path]]) -> None:
    """A layer of weight 0 does not count for the coarsest size; what it needs is judged where it comes in."""
    layers = {"relu1_1": 1.0, "relu5_1": 0.0}
    options = {**OPTIONS, "size": 24, "smallest": 16, "ratio": 2.0, "style_layers": layers, "steps": 12}
    options |= {"content_layers": {"relu1_1": 1.0}}
    painting = impasto.iterate(*pictures, **options)
    first = next(painting)
    assert min(first.image.shape[-2:]) < 16
    with pytest.raises(ParameterError, match="change after 1 iterations: the layers need at least 16 pixels"):
        painting.change(style_layers={"relu1_1": 1.0, "relu5_1": 1.0})
    assert painting.recipe.changes == ()
    for step in painting:
        if step.level == 1 and not painting.recipe.changes:
            painting.change(style_layers={"relu1_1": 0.0, "relu5_1": 1.0})
    assert set(step.losses) == {"content relu1_1", "style relu5_1"}


# --- in a folder ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [2, 3, 4, 7, 9, 11])
def test_a_steered_run_that_is_killed_goes_on_as_it_would_have(
    pictures: tuple[Path, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    """Killed after what was changed was written down, before the next step; checkpoints every third step."""
    run, whole = tmp_path / "run", tmp_path / "whole"
    with begin(whole, *pictures, **OPTIONS) as recording:
        _steer(recording)
        recording.finish()
    with pytest.raises(PowerCutError), begin(run, *pictures, save_every=1, **OPTIONS) as recording:
        written = recording.folder.write_checkpoint
        monkeypatch.setattr(recording.folder, "write_checkpoint", lambda each: each.done % 3 or written(each))
        for step in recording:
            _turn(recording, step)
            if step.done == cut:
                raise PowerCutError
    begun = [change.at for change in read_recipe(run).changes]
    assert begun == [at for at in (3, 6, 9) if at <= cut]
    with reopen(run) as recording:
        for step in recording:
            if step.done > cut:
                _turn(recording, step)
        recording.finish()
    assert (run / "result.png").read_bytes() == (whole / "result.png").read_bytes()
    assert (run / "recipe.toml").read_bytes() == (whole / "recipe.toml").read_bytes()
    assert [event["done"] for event in read_events(run)] == list(range(1, 13))
    said = [(each["steered"], each["done"], each["settings"]) for each in read_steering(run)]
    assert said == [("change", 3 * number, settings) for number, settings in enumerate(CHANGES, start=1)]
    # And from scratch.
    again = stylize(tmp_path / "again", *pictures, recipe=read_recipe(run))
    assert np.array_equal(np.asarray(PIL.Image.open(run / "result.png")), again.to_array())


def _turn(recording: Recording, step: impasto.Step) -> None:
    if step.done in (3, 6, 9):
        recording.change(**CHANGES[step.done // 3 - 1])


def _steer(recording: Recording) -> None:
    for step in recording:
        _turn(recording, step)


@pytest.mark.parametrize("moment", ["checkpoints", "events", "recipe", "line", "summary", "never"])
def test_killed_while_undoing(
    pictures: tuple[Path, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """An undo is there or it is not; either way what is painted is what the recipe says."""
    run = tmp_path / "run"
    with pytest.raises(PowerCutError), begin(run, *pictures, save_every=1, **OPTIONS) as recording:
        for step in recording:
            _turn(recording, step)
            if step.done == 7:
                break
        name = {"checkpoints": "drop_events_after", "events": "replace_recipe", "line": "write_summary"}
        name |= {"recipe": "append", "summary": "write_checkpoint"}
        if moment in name:
            monkeypatch.setattr(recording.folder, name[moment], _cut)
        recording.undo(4)
        assert next(iter(recording)).done == 5
        raise PowerCutError
    undone = moment not in ("checkpoints", "events")
    assert [change.at for change in read_recipe(run).changes] == ([3] if undone else [3, 6])
    if undone:
        assert not list(run.glob("step-00000[67].png"))
    recipe = read_recipe(run)
    monkeypatch.undo()
    load_with(monkeypatch, thin)
    go_on(run)
    again = stylize(tmp_path / "again", *pictures, recipe=recipe)
    assert np.array_equal(np.asarray(PIL.Image.open(run / "result.png")), again.to_array())
    assert [event["done"] for event in read_events(run)] == list(range(1, 13))


def _cut(*given: Any, **named: Any) -> None:
    raise PowerCutError


def test_masks_changed_in_a_folder_are_found_from_anywhere(
    pictures: tuple[Path, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with begin(run, *pictures, **OPTIONS) as recording:
        for step in recording:
            if step.done == 5:
                with pytest.raises(ParameterError, match="regions"):
                    recording.change(regions=[{"name": "left"}])
                recording.change(**HALVES)
        recording.finish()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = stylize(tmp_path / "again", *pictures, recipe=read_recipe(run))
    assert np.array_equal(np.asarray(PIL.Image.open(run / "result.png")), again.to_array())
    mask = tmp_path / "left.png"
    mask.write_bytes((tmp_path / "all.png").read_bytes())
    with pytest.raises(
        ParameterError, match=r"expected the mask left picture that .* got a changed .*left\.png"
    ):
        go_on(run, back_to=8)


def test_an_undo_in_a_folder(pictures: tuple[Path, list[Path]], tmp_path: Path) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    with begin(run, *pictures, save_every=2, **OPTIONS) as recording:
        undone = False
        for step in recording:
            if step.done == 5:
                recording.change(style_weight=90.0)
            if step.done == 10 and not undone:
                undone = bool(recording.undo())
                assert [event["done"] for event in read_events(run)] == [1, 2, 3, 4, 5]
                assert sorted(path.name for path in run.glob("step-*")) == [
                    "step-000002.png",
                    "step-000004.png",
                ]
                assert not any((run / name).exists() for name in CHECKPOINTS)
        recording.finish()
    assert undone
    stylize(whole, *pictures, save_every=2, **OPTIONS)
    assert (run / "result.png").read_bytes() == (whole / "result.png").read_bytes()
    assert (run / "recipe.toml").read_bytes() == (whole / "recipe.toml").read_bytes()
    said = [{name: each[name] for name in each if name != "time"} for each in read_steering(run)]
    assert said == [
        {"steered": "change", "done": 5, "settings": {"style_weight": 90.0}},
        {"steered": "undo", "done": 10, "to": 5},
    ]
    assert [event["done"] for event in read_events(run)] == list(range(1, 13))


def test_a_run_is_changed_and_taken_back_as_it_is_gone_on_with(
    pictures: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    run = tmp_path / "run"

    def stop(step: impasto.Step) -> None:
        if step.done == 8:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        stylize(run, *pictures, on_step=stop, **OPTIONS)
    with pytest.raises(ParameterError, match=r"run: expected 0 to 8 iterations to rewind to, got 9"):
        go_on(run, back_to=9)
    before = (run / "recipe.toml").read_bytes()
    with pytest.raises(ParameterError, match="change: style_weight: expected"):
        go_on(run, back_to=2, change={"style_weight": -1.0})
    assert (run / "recipe.toml").read_bytes() == before
    assert (run / CHECKPOINTS[0]).exists()
    result = go_on(run, change={"style_weight": 90.0})
    assert read_recipe(run).changes == (Change(at=8, style_weight=90.0),)
    plain = impasto.stylize(*pictures, **{**OPTIONS, "changes": [{"at": 8, "style_weight": 90.0}]})
    assert torch.equal(result.image, plain.image)
    # Done, and taken back from the end, to before what was changed.
    assert status(run) == "done"
    result = go_on(run, back_to=3, change={"content_weight": 3.0})
    plain = impasto.stylize(*pictures, **{**OPTIONS, "changes": [{"at": 3, "content_weight": 3.0}]})
    assert torch.equal(result.image, plain.image)
    assert [(each["steered"], each["done"]) for each in read_steering(run)] == [
        ("change", 8),
        ("undo", 12),
        ("change", 3),
    ]
    with pytest.raises(ParameterError, match="expected an unfinished run"):
        go_on(run, change={"content_weight": 3.0})


def test_what_the_page_says_runs(pictures: tuple[Path, list[Path]], tmp_path: Path) -> None:
    """The examples of docs/steering.md, on small pictures."""
    PIL.Image.open(pictures[0]).save("photo.jpg")
    PIL.Image.open(pictures[1][0]).save("painting.jpg")
    page = (Path(__file__).parents[2] / "docs" / "steering.md").read_text(encoding="utf-8")
    first, in_a_folder = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    small = "size=40, steps=62, device='cpu'"
    there: dict[str, Any] = {}
    exec(first.replace("size=256", small), there)
    assert there["undone"]
    assert there["painting"].recipe.changes == (Change(at=20, content_weight=2.0),)
    shown = (there["step"].image[0] * 255.0).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(np.asarray(PIL.Image.open("again.png")), shown)
    exec(in_a_folder.replace("size=256", small), there)
    assert status(tmp_path / "run1") == "done"
    assert [change.at for change in read_recipe(tmp_path / "run1").changes] == [40]
