"""The generator: levels, resuming, stopping, and what the watchdog does about trouble."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from impasto.engine import pyramid
from impasto.engine.evaluation import Evaluation, autograd_evaluation
from impasto.engine.optimize import iterate
from impasto.engine.pyramid import Level, Pyramid, crop_margin, pad_mirrored, resize_and_pad, upsample
from impasto.engine.solvers.adam import Adam
from impasto.engine.solvers.lbfgs import LBFGS
from impasto.engine.solvers.solver import Solver, Update
from impasto.engine.solvers.state import clone
from impasto.engine.start import noise
from impasto.engine.steering import Course
from impasto.engine.step import Progress, Step
from impasto.engine.watchdog import QuantizedImage, Watchdog
from impasto.errors import DivergedError
from impasto.geometry import cover, resize
from impasto.losses.content import mean
from impasto.losses.gram import Gram
from impasto.losses.objective import ContentTerm, FeatureMapTerm, Objective, SmoothnessTerm, StyleTerm
from impasto.losses.relaxed_transport import RelaxedTransport
from impasto.losses.self_similarity import SelfSimilarity
from impasto.losses.sliced_wasserstein import SlicedWasserstein
from impasto.losses.smoothness import nine_point
from tests.conftest import TinyNetwork

OBJECTIVE = (
    ContentTerm("relu2", mean, 1.0),
    StyleTerm("relu1", Gram(), 5.0, "relu1"),
    StyleTerm("relu2", Gram(), 5.0, "relu2"),
    SmoothnessTerm(nine_point, 0.1),
)
DRAWING = (
    FeatureMapTerm("relu1", SelfSimilarity(max_pixels=20), 1.0, "relu1", of="content"),
    FeatureMapTerm("relu1", SlicedWasserstein(), 1.0, "relu1"),
    FeatureMapTerm("relu2", RelaxedTransport(max_pixels=12), 0.3, "relu2"),
)
LEVELS = (Level((10, 14), ((8, 8),), 6), Level((15, 21), ((12, 12),), 7), Level((20, 28), ((16, 16),), 5))


def _picture(height: int, width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, height, width, generator=generator, dtype=torch.float64)


def _iterate(
    solver: Solver,
    network: Any,
    levels: Sequence[Level] = LEVELS,
    objective: Objective = OBJECTIVE,
    **options: Any,
) -> Iterator[Step]:
    content = _picture(20, 28, 1)
    prepare = autograd_evaluation(network, objective, [1.0], options.get("white_level", 1.0))
    return iterate(
        content=content,
        styles=[_picture(16, 16, 2)],
        pyramid=Pyramid(
            levels, **{name: options.pop(name) for name in ("detail", "margin") if name in options}
        ),
        course=Course(prepare, solver.learning_rate, options.pop("resample_every", 0)),
        start=resize(content, levels[0].size),
        solver=solver,
        **options,
    )


MAKERS: dict[str, Callable[[], Solver]] = {
    "lbfgs": lambda: LBFGS(initial_step_rms=0.02, bounds=(0.0, 1.0)),
    "lbfgs-wolfe": lambda: LBFGS(initial_step_rms=0.02, line_search=True),
    "adam": lambda: Adam(learning_rate=0.02, averaging=0.9, bounds=(0.0, 1.0)),
}


def test_steps_count_up_through_the_levels(network: TinyNetwork) -> None:
    steps, pictures = [], []
    for step in _iterate(MAKERS["adam"](), network):
        steps.append(step)
        pictures.append(step.image)
    assert [step.done for step in steps] == list(range(1, 19))
    assert {step.planned for step in steps} == {18}
    assert [(s.level, s.iteration) for s in steps[:7]] == [*((0, i) for i in range(1, 7)), (1, 1)]
    assert [pictures[at].shape[-2:] for at in (0, 6, -1)] == [(10, 14), (15, 21), (20, 28)]
    for step, picture in zip(steps, pictures, strict=True):
        assert step.loss == pytest.approx(sum(step.losses.values()))
        assert 0 <= float(picture.min()) <= float(picture.max()) <= 1
    assert set(steps[0].losses) == {"content relu2", "style relu1", "style relu2", "tv"}


@pytest.mark.parametrize("name", ["lbfgs", "lbfgs-wolfe"])
def test_each_level_lowers_its_loss(network: TinyNetwork, name: str) -> None:
    steps = list(_iterate(MAKERS[name](), network))
    for level in range(3):
        losses = [step.loss for step in steps if step.level == level]
        assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("cut", [1, 5, 6, 9, 13, 17])
def test_resumed_is_uninterrupted(network: TinyNetwork, name: str, cut: int) -> None:
    options: dict[str, Any] = {"detail": 0.5, "white_level": 255.0}
    make = {
        "lbfgs": lambda: LBFGS(initial_step_rms=4.0, bounds=(0.0, 255.0)),
        "lbfgs-wolfe": lambda: LBFGS(initial_step_rms=4.0, line_search=True),
        "adam": lambda: Adam(learning_rate=4.0, averaging=0.9, bounds=(0.0, 255.0)),
    }[name]
    whole = list(_iterate(make(), network, **options))
    steps = _iterate(make(), network, **options)
    for _ in range(cut):
        stopped = next(steps)
    state = stopped.state()
    resumed = list(_iterate(make(), network, resume=state, **options))
    assert [step.done for step in resumed] == list(range(cut + 1, 19))
    assert [step.loss for step in resumed] == [step.loss for step in whole[cut:]]
    assert torch.equal(resumed[-1].image, whole[-1].image)


@pytest.mark.parametrize("name", MAKERS)
def test_a_margin_is_a_larger_picture_cut(network: TinyNetwork, name: str) -> None:
    """At one size: the same as mirroring content and start by hand, painting that and cutting it off."""
    content, style, margin = _picture(20, 28, 1), _picture(16, 16, 2), 5
    wide = F.pad(content, (margin,) * 4, mode="reflect")

    def painted(content: Tensor, margin: int) -> Tensor:
        height, width = content.shape[-2:]
        solver = MAKERS[name]()
        steps = iterate(
            content=content,
            styles=[style],
            pyramid=Pyramid((Level((height, width), ((16, 16),), 6),), margin=margin),
            course=Course(autograd_evaluation(network, OBJECTIVE, [1.0]), solver.learning_rate),
            start=content,
            solver=solver,
        )
        return list(steps)[-1].image

    ours = painted(content, margin)
    assert ours.shape == content.shape
    assert torch.equal(ours, painted(wide, 0)[..., margin:-margin, margin:-margin])


@pytest.mark.parametrize("name", MAKERS)
def test_a_margin_is_at_every_level_and_resumes(network: TinyNetwork, name: str) -> None:
    options: dict[str, Any] = {"detail": 0.5, "margin": 3}
    steps = _iterate(MAKERS[name](), network, **options)
    states, sizes = [], []
    for step in steps:
        sizes.append(tuple(step.image.shape[-2:]))
        states.append(step.state())
    assert dict.fromkeys(sizes) == dict.fromkeys(level.size for level in LEVELS)
    last = step.take()
    assert last.shape[-2:] == LEVELS[-1].size
    for cut in (5, 6, 9):
        resumed = list(_iterate(MAKERS[name](), network, resume=states[cut - 1], **options))
        assert torch.equal(resumed[-1].take(), last)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("cut", [1, 2, 3, 4, 6, 7, 16])
def test_resumed_is_uninterrupted_where_losses_draw_samples(
    network: TinyNetwork, name: str, cut: int
) -> None:
    """Before, at and after the iteration where another sample is drawn."""
    whole_run = list(_iterate(MAKERS[name](), network, objective=DRAWING, resample_every=3))
    steps = _iterate(MAKERS[name](), network, objective=DRAWING, resample_every=3)
    for _ in range(cut):
        stopped = next(steps)
    state = stopped.state()
    resumed = list(_iterate(MAKERS[name](), network, objective=DRAWING, resample_every=3, resume=state))
    assert [step.loss for step in resumed] == [step.loss for step in whole_run[cut:]]
    assert torch.equal(resumed[-1].image, whole_run[-1].image)


def test_another_sample_is_drawn_every_so_often(network: TinyNetwork) -> None:
    turns: list[int] = []

    def prepare(content: object, styles: object) -> Any:
        def evaluate(x: Tensor, *, with_gradient: bool = True, sample_index: int = 0) -> Evaluation:
            turns.append(sample_index)
            loss = (x - 0.5).square().sum()
            return Evaluation(float(loss), 2.0 * (x - 0.5), {"f": float(loss)})

        return evaluate

    picture = _picture(8, 8, 0)
    levels = (Level((8, 8), ((8, 8),), 7), Level((16, 16), ((16, 16),), 5))
    options: dict[str, Any] = {"content": picture, "styles": [picture], "pyramid": Pyramid(levels)}
    for resample_every, wanted in ((0, [0] * 12), (3, [0, 0, 0, 1, 1, 1, 2, 0, 0, 0, 1, 1])):
        turns.clear()
        course = Course(prepare, 0.02, resample_every)
        steps = iterate(course=course, start=picture, solver=MAKERS["adam"](), **options)
        last = list(steps)[-1]
        assert turns == wanted
    last.judge(_picture(16, 16, 0), white=1.0)
    assert turns[-1] == 0  # what is judged is comparable


def test_a_step_across_two_samples_teaches_nothing(network: TinyNetwork) -> None:
    """Every pair that L-BFGS remembers is of one loss: its y is that loss's change of gradient along its s."""
    solver = LBFGS(initial_step_rms=0.02)
    steps = list(_iterate(solver, network, LEVELS[:1], objective=DRAWING, resample_every=2))
    assert len(steps) == 6
    # Six steps, of which each second one ends where another sample is drawn, and the last has no y yet.
    assert len(solver._pairs) == 3


@pytest.mark.parametrize("name", ["lbfgs", "adam"])
def test_resumed_is_uninterrupted_where_levels_end_early(network: TinyNetwork, name: str) -> None:
    levels = (Level((10, 14), ((8, 8),), 300), Level((20, 28), ((16, 16),), 40))
    whole, states = [], []
    for step in _iterate(MAKERS[name](), network, levels, min_relative_decrease=0.05):
        whole.append(step)
        states.append(step.state())
    last = max(step.done for step in whole if step.level == 0)
    assert 26 <= last < 300
    for cut in (3, last - 1, last, last + 1, last + 5):
        resumed = list(
            _iterate(MAKERS[name](), network, levels, min_relative_decrease=0.05, resume=states[cut - 1])
        )
        assert [step.loss for step in resumed] == [step.loss for step in whole[cut:]]
        assert [(step.level, step.done) for step in resumed] == [(s.level, s.done) for s in whole[cut:]]
        assert [step.planned for step in resumed] == [step.planned for step in whole[cut:]]
        assert torch.equal(resumed[-1].image, whole[-1].image)


@pytest.mark.parametrize("name", MAKERS)
def test_a_picture_taken_is_the_last_one(network: TinyNetwork, name: str) -> None:
    *_, last = steps = list(_iterate(MAKERS[name](), network, white_level=255.0))
    image = last.image
    losses = last.judge(image, white=1.0).terms
    assert torch.equal(last.take(), image)
    assert last.judge(image, white=1.0).terms == losses
    for late in (lambda: last.image, last.take, last.state, lambda: steps[0].judge(image, white=1.0)):
        with pytest.raises(RuntimeError):
            late()
    painting = _iterate(MAKERS[name](), network)
    next(painting).take()
    with pytest.raises(RuntimeError, match="after the picture has been taken"):
        next(painting)


def test_a_state_is_a_flat_dict_of_tensors(network: TinyNetwork, tmp_path: Path) -> None:
    step = next(_iterate(MAKERS["adam"](), network))
    save_file(step.state(), tmp_path / "state.safetensors")
    resumed = _iterate(MAKERS["adam"](), network, resume=load_file(tmp_path / "state.safetensors"))
    steps = _iterate(MAKERS["adam"](), network)
    next(steps)
    assert torch.equal(next(resumed).image, next(steps).image)


@pytest.mark.parametrize("name", MAKERS)
def test_a_live_state_is_the_state_until_the_next_step(network: TinyNetwork, name: str) -> None:
    steps = _iterate(MAKERS[name](), network)
    for _ in range(3):
        step = next(steps)
    live, state = step.live_state(), step.state()
    assert live.keys() == state.keys()
    assert all(torch.equal(clone(live[key]), state[key]) for key in state)
    assert live["x"].data_ptr() == step._canvas.x.data_ptr()
    next(steps)
    assert not torch.equal(clone(live["x"]), state["x"])
    with pytest.raises(RuntimeError, match="before the next step"):
        step.live_state()


def test_a_steps_picture_is_had_before_the_next_step(network: TinyNetwork) -> None:
    """The picture is painted in place: a late question would get another step's answer."""
    steps = _iterate(MAKERS["lbfgs"](), network)
    first = next(steps)
    picture = first.image
    second = next(steps)
    with pytest.raises(RuntimeError, match="before the next step"):
        _ = first.image
    with pytest.raises(RuntimeError, match="before the next step"):
        first.state()
    assert not torch.equal(second.image, picture)


def test_closing_stops(network: TinyNetwork) -> None:
    steps = _iterate(MAKERS["lbfgs"](), network)
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert list(steps) == []


@pytest.mark.parametrize("white_level", [1.0, 255.0])
@pytest.mark.parametrize(
    "moment", ["content at the coarse size", "content at the fine size", "solver", "prepare"]
)
@pytest.mark.parametrize("name", MAKERS)
def test_interrupted_while_going_up_the_picture_is_there(
    network: TinyNetwork, monkeypatch: pytest.MonkeyPatch, name: str, moment: str, white_level: float
) -> None:
    solver = LBFGS(initial_step_rms=4.0) if name == "lbfgs" and white_level > 1 else MAKERS[name]()
    steps = _iterate(solver, network, white_level=white_level, detail=0.5)
    for step in steps:
        if step.done == LEVELS[0].iterations:
            break
    before = step.image.clone()
    calls = 0

    def interrupted(content: Tensor, size: tuple[int, int], *rest: Any) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == (2 if moment == "content at the fine size" else 1):
            raise KeyboardInterrupt
        return resize(content, size, *rest)

    shrink = solver.resize

    def emptied(size: tuple[int, int]) -> None:
        shrink(size)
        raise KeyboardInterrupt

    match moment:
        case "solver":
            monkeypatch.setattr(solver, "resize", emptied)
        case "prepare":
            monkeypatch.setattr(Pyramid, "styles", interrupted)
        case _:
            monkeypatch.setattr(pyramid, "resize", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(steps)
    assert torch.allclose(
        resize(step.image, LEVELS[0].size), before, atol=0.1 if moment == "prepare" else 1e-6
    )


def test_a_flat_loss_ends_the_level(network: TinyNetwork) -> None:
    levels = (Level((10, 14), ((8, 8),), 500), Level((20, 28), ((16, 16),), 3))
    steps = list(_iterate(MAKERS["lbfgs"](), network, levels, min_relative_decrease=0.02))
    first = [step for step in steps if step.level == 0]
    assert 25 < len(first) < 500
    assert "this size is done" in first[-1].notes[0]
    assert steps[-1].done == steps[-1].planned == len(steps)


class _Watched:
    """A watchdog beside a made-up optimisation."""

    def __init__(self) -> None:
        self.dog = Watchdog()

    def step(self, at: Tensor, to: Tensor, loss: float, ended: str | None = None) -> tuple[str, Tensor]:
        """What it says to a step from ``at``, where the loss is so much, and where the picture is then."""

        def evaluate(x: Tensor, *, with_gradient: bool = True) -> Evaluation:
            return Evaluation(loss, torch.zeros_like(x), {"f": loss})

        x = at.clone()
        self.dog.watching(evaluate)(x)
        x.copy_(to)
        verdict = self.dog.judge(Update(x, loss, {"f": loss}, ended))
        return verdict.remedy, x


GOOD, BAD = torch.ones(1), torch.full((1,), 2.0)


def test_no_number_goes_back_to_the_best() -> None:
    watched = _Watched()
    assert watched.step(GOOD, BAD, 1.0)[0] == "go on"
    assert watched.step(BAD, BAD, 5.0)[0] == "go on"
    assert watched.step(BAD, BAD, float("nan")) == ("restart", GOOD)


def test_a_loss_that_stays_far_above_the_best_goes_back() -> None:
    watched = _Watched()
    watched.step(GOOD, BAD, 1.0)
    remedies = [watched.step(BAD, BAD, 11.0)[0] for _ in range(8)]
    assert remedies == ["go on"] * 7 + ["restart"]
    # One overshoot is how L-BFGS without a line search begins, and no trouble.
    watched = _Watched()
    for loss in (1.0, 1e6, 0.9, 1e6, 0.8):
        assert watched.step(GOOD, BAD, loss)[0] == "go on"


def test_an_early_end_restarts_then_switches_then_gives_up() -> None:
    watched = _Watched()
    assert watched.step(GOOD, BAD, 1.0, "no direction leads downhill") == ("restart", BAD)
    assert watched.step(GOOD, BAD, 1.0, "no direction leads downhill")[0] == "switch"
    assert watched.step(GOOD, BAD, float("nan"))[0] == "give up"


def test_trouble_long_after_a_restart_is_new_trouble() -> None:
    watched = _Watched()
    for _ in range(2):
        assert watched.step(GOOD, GOOD, 1.0, "the step is zero")[0] == "restart"
        for _ in range(20):
            assert watched.step(GOOD, GOOD, 1.0)[0] == "go on"


class _Poisoned(TinyNetwork):
    """Gives no number once, at the evaluations named."""

    def __init__(self, *when: int) -> None:
        super().__init__()
        self._when, self._calls = when, 0

    def __call__(self, image: Tensor, layers: Any) -> dict[str, Tensor]:
        features = super().__call__(image, layers)
        if image.requires_grad or image.grad_fn is not None:
            self._calls += 1
            if self._calls in self._when:
                return {name: value * float("nan") for name, value in features.items()}
        return features


def test_one_bad_evaluation_is_survived() -> None:
    levels = (Level((10, 14), ((8, 8),), 12),)
    steps = list(_iterate(MAKERS["lbfgs"](), _Poisoned(5), levels))
    noted = [step for step in steps if step.notes]
    assert [step.iteration for step in noted] == [5]
    assert "restarted" in noted[0].notes[0]
    assert steps[-1].loss < steps[0].loss
    assert bool(steps[-1].image.isfinite().all())


def test_adam_takes_over_when_lbfgs_cannot_go_on() -> None:
    levels = (Level((10, 14), ((8, 8),), 20),)
    steps, states = [], []
    for step in _iterate(MAKERS["lbfgs"](), _Poisoned(5, 6), levels):
        steps.append(step)
        states.append(step.state())
    assert [step.iteration for step in steps if step.notes] == [5, 6]
    assert "Adam takes over" in steps[5].notes[0]
    assert steps[-1].loss < steps[0].loss
    # And a run that was resumed after the switch goes on with Adam.
    resumed = list(_iterate(MAKERS["lbfgs"](), TinyNetwork(), levels, resume=states[9]))
    assert torch.equal(resumed[-1].image, steps[-1].image)


class _Exploding(TinyNetwork):
    """Its features are a hundred times too large at the evaluations named."""

    def __init__(self, when: range) -> None:
        super().__init__()
        self._when, self._calls = when, 0

    def __call__(self, image: Tensor, layers: Any) -> dict[str, Tensor]:
        features = super().__call__(image, layers)
        if image.grad_fn is None:
            return features
        self._calls += 1
        return {
            name: value * (100.0 if self._calls in self._when else 1.0) for name, value in features.items()
        }


def test_a_loss_that_explodes_is_left_behind() -> None:
    levels = (Level((10, 14), ((8, 8),), 16),)
    solver = Adam(learning_rate=0.01, bounds=(0.0, 1.0))
    steps = list(_iterate(solver, _Exploding(range(5, 13)), levels))
    assert [step.iteration for step in steps if step.notes] == [12]
    assert steps[11].notes[0].startswith("the loss stayed 10 times above the best for 8 iterations")
    # The best point, kept in 8 bits, judged again.
    assert steps[12].loss == pytest.approx(min(step.loss for step in steps[:12]), rel=0.03)
    assert steps[-1].loss < steps[12].loss


def test_a_start_that_cannot_be_judged_is_an_error() -> None:
    with pytest.raises(DivergedError, match="no longer finite"):
        next(_iterate(MAKERS["adam"](), _Poisoned(1)))


def test_what_cannot_be_helped_is_an_error() -> None:
    with pytest.raises(DivergedError, match="no longer finite"):
        list(_iterate(MAKERS["lbfgs"](), _Poisoned(*range(5, 100))))


def test_noise_is_repeatable_and_as_asked() -> None:
    def make(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return noise((60, 70), centre=(0.2, 0.5, 0.8), deviation=0.1, generator=generator)

    assert torch.equal(make(3), make(3))
    assert not torch.equal(make(3), make(4))
    assert make(3).mean((0, 2, 3)).tolist() == pytest.approx([0.2, 0.5, 0.8], abs=0.01)
    assert float(make(3)[:, 0].std()) == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("size", [(10, 30), (30, 10), (25, 25), (7, 8)])
def test_cover_fills_without_distortion(size: tuple[int, int]) -> None:
    ramp = torch.linspace(0, 1, 40).expand(1, 3, 40, 40)
    filled = cover(ramp, size)
    assert filled.shape[-2:] == size
    step = (filled[..., -1] - filled[..., 0]).mean() / (size[1] - 1)
    assert float(step) == pytest.approx(1 / max(size), rel=0.12)  # one scale for both directions


def test_carrying_the_content_up_with_all_its_detail_gives_the_content() -> None:
    fine = _picture(20, 28, 5)
    sizes = ((10, 14), (20, 28))
    coarse = resize(fine, sizes[0])
    torch.testing.assert_close(upsample(coarse, fine, sizes, 1.0), fine)
    assert torch.equal(upsample(coarse, fine, sizes, 0.0), resize(coarse, (20, 28)))


def test_a_picture_is_carried_up_as_the_formula_says() -> None:
    """up(image) + detail (fine − up(coarse)), whatever the sizes; nothing that is given is changed."""
    image, content = _picture(11, 15, 6), _picture(30, 41, 7)
    sizes = ((11, 15), (23, 31))
    before = image.clone()
    enlarged, coarse, fine = (
        F.interpolate(each, sizes[1], mode="bicubic", antialias=True)
        for each in (image, resize(content, sizes[0]), resize(content, sizes[1]))
    )
    wanted = (enlarged + 0.5 * (fine - coarse)).clamp(0.0, 1.0)
    torch.testing.assert_close(upsample(image, content, sizes, 0.5), wanted)
    assert torch.equal(image, before)


@pytest.mark.parametrize("margin", [0, 4])
def test_a_margin_by_colours_is_that_of_the_whole(margin: int) -> None:
    picture = _picture(30, 41, 7)
    bytes_ = (255 * picture).to(torch.uint8)
    for each in (picture, bytes_):
        wide = pad_mirrored(resize(each, (23, 31)), margin)
        assert torch.equal(resize_and_pad(each, (23, 31), "bicubic", margin), wide)
        assert torch.equal(crop_margin(wide, margin), resize(each, (23, 31)))
    sizes = ((11, 15), (23, 31))
    plain, wide = (upsample(_picture(11, 15, 6), picture, sizes, 0.5, margin=each) for each in (0, margin))
    assert torch.equal(wide, pad_mirrored(plain, margin))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_rough_picture_is_within_half_a_step(dtype: torch.dtype) -> None:
    x = 300.0 * torch.rand(1, 3, 5, 7, dtype=dtype, generator=torch.Generator().manual_seed(2)) - 20.0
    rough, back = QuantizedImage(x), torch.empty_like(x)
    rough.copy_to(back)
    assert (back - x).abs().max() <= (x.max() - x.min()) / 255 / 2 * 1.001
    again = torch.empty_like(x)
    QuantizedImage.restored(rough.state()).copy_to(again)
    assert torch.equal(again, back)
    flat = torch.full_like(x, 3.0)
    QuantizedImage(flat, into=rough).copy_to(back)
    assert torch.equal(back, flat)


def test_a_steps_numbers_can_be_sent_and_kept(network: TinyNetwork) -> None:
    step = next(_iterate(MAKERS["adam"](), network))
    sent = pickle.loads(pickle.dumps(step.progress))  # noqa: S301
    assert sent == step.progress
    assert type(sent) is Progress
    assert (sent.done, sent.loss, sent.losses) == (step.done, step.loss, step.losses)
