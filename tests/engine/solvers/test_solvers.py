"""The solvers are those of torch.optim, keep to bounds, and go on from their state as if never stopped."""

from __future__ import annotations

import errno
import io
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from impasto.engine.evaluation import Evaluate, Evaluation
from impasto.engine.solvers import history as vectors
from impasto.engine.solvers.adam import Adam
from impasto.engine.solvers.history import HistoryBuffer, Storage
from impasto.engine.solvers.lbfgs import LBFGS
from impasto.engine.solvers.line_search import strong_wolfe
from impasto.engine.solvers.preconditioner import Spectrum
from impasto.engine.solvers.solver import Solver
from impasto.engine.solvers.state import clone
from impasto.errors import OutputError


def _function(value: Callable[[Tensor], Tensor]) -> Evaluate:
    def evaluate(x: Tensor, *, with_gradient: bool = True) -> Evaluation:
        x = x.detach().requires_grad_()
        loss = value(x)
        (gradient,) = torch.autograd.grad(loss, x)
        return Evaluation(float(loss.detach()), gradient, {"f": float(loss.detach())})

    return evaluate


def rosenbrock(x: Tensor) -> Tensor:
    flat = x.flatten()
    return (100 * (flat[1:] - flat[:-1] ** 2) ** 2 + (1 - flat[:-1]) ** 2).sum()


def bowl(x: Tensor) -> Tensor:
    scales = torch.linspace(1, 50, x.numel(), dtype=x.dtype).view_as(x)
    return 0.5 * (scales * (x - 0.7) ** 2).sum()


def _start() -> Tensor:
    return torch.linspace(-1.0, 1.5, 12, dtype=torch.float64).view(1, 3, 2, 2)


def _ours(solver: Solver, function: Callable[[Tensor], Tensor], steps: int) -> list[float]:
    x, losses = _start(), []
    for _ in range(steps):
        update = solver.step(x, _function(function))
        losses.append(update.loss)
        x = update.x
    return losses


def _theirs(
    optimiser: type[torch.optim.Optimizer],
    function: Callable[[Tensor], Tensor],
    steps: int,
    **options: object,
) -> list[float]:
    x = _start().requires_grad_()
    optimizer = optimiser([x], **options)  # type: ignore[arg-type]
    losses: list[float] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = function(x)
        loss.backward()
        if len(losses) == len(seen):
            losses.append(float(loss.detach()))
        return loss

    seen: list[int] = []
    for step in range(steps):
        optimizer.step(closure)  # type: ignore[arg-type]
        seen.append(step)
    return losses


@pytest.mark.parametrize("function", [rosenbrock, bowl])
@pytest.mark.parametrize("wolfe", [False, True])
def test_lbfgs_is_torchs(function: Callable[[Tensor], Tensor], wolfe: bool) -> None:
    theirs = _theirs(
        torch.optim.LBFGS,
        function,
        15,
        lr=1.0,
        max_iter=1,
        max_eval=100,
        history_size=5,
        line_search_fn="strong_wolfe" if wolfe else None,
    )
    ours = _ours(LBFGS(history=5, line_search=wolfe), function, 15)
    assert ours[-1] < 0.2 * ours[0] or not wolfe
    assert ours == pytest.approx(theirs, rel=1e-7, abs=1e-18)


def test_adam_is_torchs() -> None:
    theirs = _theirs(torch.optim.Adam, rosenbrock, 40, lr=0.05, betas=(0.9, 0.99))
    assert _ours(Adam(learning_rate=0.05, betas=(0.9, 0.99)), rosenbrock, 40) == pytest.approx(
        theirs, rel=1e-10
    )


def test_adams_average_is_bias_corrected_and_includes_the_start() -> None:
    solver, x, seen = Adam(learning_rate=0.1, averaging=0.9), _start(), [_start()]
    for _ in range(5):
        x = solver.step(x, _function(bowl)).x
        seen.append(x.clone())
    weights = torch.tensor([0.9 ** (5 - k) for k in range(6)], dtype=torch.float64)
    expected = sum(w * s for w, s in zip(weights / weights.sum(), seen, strict=True))
    torch.testing.assert_close(solver.best(x), expected)
    assert Adam(learning_rate=0.1).best(x) is x


@pytest.mark.parametrize(
    "solver",
    [
        LBFGS(bounds=(0.0, 0.5), initial_step_rms=0.05),
        LBFGS(bounds=(0.0, 0.5), line_search=True, initial_step_rms=0.05),
        LBFGS(bounds=(0.0, 0.5), initial_step_rms=0.05, spectral_exponent=0.5),
        Adam(learning_rate=0.02, bounds=(0.0, 0.5)),
    ],
    ids=["lbfgs", "lbfgs-wolfe", "lbfgs-spectral", "adam"],
)
def test_bounds_hold_and_the_best_point_within_is_found(solver: Solver) -> None:
    centre = torch.linspace(-0.4, 0.9, 12, dtype=torch.float64).view(1, 3, 2, 2)

    def function(x: Tensor) -> Tensor:
        return ((x - centre) ** 2).sum()

    x = torch.full_like(centre, 0.25)
    for _ in range(200):
        update = solver.step(x, _function(function))
        x = update.x
        assert float(x.min()) >= 0.0
        assert float(x.max()) <= 0.5
        if update.ended:
            break
    torch.testing.assert_close(x, centre.clamp(0.0, 0.5), atol=2e-3, rtol=0)


@pytest.mark.parametrize(("line_search", "exponent"), [(False, 0.0), (True, 0.0), (False, 0.3), (True, 0.3)])
@pytest.mark.parametrize("seed", range(4))
def test_the_projected_gradient_finds_the_optimum_of_a_coupled_quadratic(
    seed: int, line_search: bool, exponent: float
) -> None:
    """min ½ xᵀ A x − bᵀ x in a box, against the one active set that meets the optimality conditions."""
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(6, 6, dtype=torch.float64, generator=generator)
    a = root @ root.T + 2 * torch.eye(6, dtype=torch.float64)
    b = 6 * torch.randn(6, dtype=torch.float64, generator=generator)

    def optimum() -> Tensor:
        for sides in itertools.product((None, 0.0, 1.0), repeat=6):
            free = [i for i, side in enumerate(sides) if side is None]
            x = torch.tensor([side or 0.0 for side in sides], dtype=torch.float64)
            if free:
                x[free] = torch.linalg.solve(a[free][:, free], (b - a @ x)[free])
            gradient = a @ x - b
            held = all(
                side is None or (g >= 0 if side == 0.0 else g <= 0)
                for side, g in zip(sides, gradient.tolist(), strict=True)
            )
            if held and 0 <= float(x.min()) <= float(x.max()) <= 1:
                return x
        raise AssertionError("a strictly convex function has an optimum in a box")

    def function(x: Tensor) -> Tensor:
        return 0.5 * x.flatten() @ a @ x.flatten() - b @ x.flatten()

    solver = LBFGS(
        bounds=(0.0, 1.0),
        line_search=line_search,
        initial_step_rms=0.05,
        history=10,
        spectral_exponent=exponent,
    )
    x = torch.full((1, 3, 2, 1), 0.5, dtype=torch.float64)
    for _ in range(300):
        update = solver.step(x, _function(function))
        x = update.x
        if update.ended:
            solver.restart()
    wanted = optimum()
    assert 0 < int(((wanted == 0) | (wanted == 1)).sum()) < 6  # some bounds hold, some do not
    torch.testing.assert_close(x.flatten(), wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: LBFGS(history=4),
        lambda: LBFGS(history=4, line_search=True),
        lambda: LBFGS(history=4, initial_step_rms=0.1, bounds=(-2.0, 2.0)),
        lambda: LBFGS(history=4, initial_step_rms=0.1, bounds=(-2.0, 2.0), spectral_exponent=0.5),
        lambda: Adam(learning_rate=0.05),
        lambda: Adam(learning_rate=0.05, averaging=0.9, bounds=(-2.0, 2.0)),
    ],
    ids=["lbfgs", "lbfgs-wolfe", "lbfgs-bounded", "lbfgs-spectral", "adam", "adam-averaged"],
)
@pytest.mark.parametrize("cut", [0, 1, 2, 7, 11])
def test_resumed_is_uninterrupted(make: Callable[[], Solver], cut: int, tmp_path: Path) -> None:
    evaluate = _function(rosenbrock)
    whole, x = make(), _start()
    for _ in range(12):
        x = whole.step(x, evaluate).x

    first, y = make(), _start()
    for _ in range(cut):
        y = first.step(y, evaluate).x
    state = {name: clone(tensor) for name, tensor in first.state().items()}
    save_file(state, tmp_path / "state.safetensors")  # nothing but a flat dict of tensors
    second = make()
    second.restore(load_file(tmp_path / "state.safetensors"), y)
    for _ in range(12 - cut):
        y = second.step(y, evaluate).x
    assert torch.equal(x, y)
    assert torch.equal(whole.best(x), second.best(y))


def test_history_is_limited() -> None:
    solver = LBFGS(history=3)
    _ours(solver, rosenbrock, 10)
    assert len(solver.state()["sy"]) == 3


def test_the_first_move_has_the_length_asked_for() -> None:
    update = LBFGS(initial_step_rms=0.25).step(_start(), _function(lambda x: 1e12 * bowl(x)))
    assert float((update.x - _start()).square().mean().sqrt()) == pytest.approx(0.25)


def test_ends_are_reported() -> None:
    flat = _function(lambda x: (x * 0).sum())
    assert LBFGS().step(_start(), flat).ended == "the gradient is zero"
    nowhere = _function(lambda x: (x / 0).sum())
    for solver in (LBFGS(), Adam(learning_rate=0.1)):
        assert solver.step(_start(), nowhere).ended == "the loss is not a finite number"


def test_the_line_search_meets_the_strong_wolfe_conditions() -> None:
    evaluate = _function(rosenbrock)
    x = _start()
    start = evaluate(x)
    direction = -start.gradient
    slope = float((start.gradient * direction).sum())
    for first in (1e-8, 1e-4, 1.0, 1e3):
        trial = strong_wolfe(lambda t: evaluate(x + t * direction), start.loss, slope, direction, first)
        assert trial.value <= start.loss + 1e-4 * trial.t * slope
        assert abs(trial.slope) <= -0.9 * slope


def test_adam_keeps_its_moments_through_a_change_of_size() -> None:
    solver = Adam(learning_rate=0.05)
    x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for _ in range(3):
        x = solver.step(x, _function(bowl)).x
    larger = torch.rand(1, 3, 11, 13, generator=torch.Generator().manual_seed(1))
    solver.resize((larger.shape[2], larger.shape[3]))
    state = solver.state()
    assert state["m"].shape == state["v"].shape == larger.shape
    assert float(state["v"].min()) >= 0.0
    assert int(state["steps"]) == 3
    assert solver.step(larger, _function(bowl)).x.isfinite().all()


def test_lbfgs_forgets_at_a_change_of_size() -> None:
    solver = LBFGS()
    _ours(solver, bowl, 4)
    solver.resize((5, 5))
    assert solver.state() == {}


def _plain_direction(pairs: list[tuple[Tensor, Tensor]], gradient: Tensor) -> Tensor:
    """−H g by the two loops over vectors, as the book has them (N&W algorithm 7.4)."""
    q, alphas = -gradient, []
    for s, y in reversed(pairs):
        alphas.append((s * q).sum() / (s * y).sum())
        q = q - alphas[-1] * y
    s, y = pairs[-1]
    q = q * (s * y).sum() / (y * y).sum()
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        q = q + (alpha - (y * q).sum() / (s * y).sum()) * s
    return q


def _long_valley(x: Tensor, *, with_gradient: bool = True) -> Evaluation:
    scales = torch.arange(1, x.numel() + 1, dtype=x.dtype).view_as(x) / x.numel()
    return Evaluation(float((scales * x * x + 0.1 * x**4).sum()), 2 * scales * x + 0.4 * x**3, {})


@pytest.mark.parametrize("band", [7, 60, 1 << 16])
def test_the_direction_is_that_of_the_two_loops(band: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_ON_CPU", band)
    solver = LBFGS(history=4, initial_step_rms=0.1)
    x = torch.linspace(-1.0, 2.0, 60, dtype=torch.float64).view(1, 3, 4, 5)
    pairs: list[tuple[Tensor, Tensor]] = []
    for _ in range(10):
        before, gradient = x.clone(), _long_valley(x).gradient
        x = solver.step(x, _long_valley).x
        if pairs:
            expected = before + _plain_direction(pairs[-4:], gradient)
            torch.testing.assert_close(x, expected, rtol=1e-9, atol=1e-12)
        pairs.append((x - before, _long_valley(x).gradient - gradient))


def test_a_spectrum_is_a_change_of_variables() -> None:
    """Plain L-BFGS on u with x = L u takes the same steps."""
    spectrum = Spectrum((4, 5), 0.7, _picture())

    def changed(x: Tensor, *, with_gradient: bool = True) -> Evaluation:
        x = x.clone()
        spectrum.apply(x)
        at = _long_valley(x)
        spectrum.apply(at.gradient)
        return at

    u, x = _picture(), _picture()
    spectrum.undo(u)
    plain, ours = LBFGS(history=4), LBFGS(history=4, spectral_exponent=0.7)
    # Their first steps are of another length by themselves.
    plain.initial_step_rms = 0.1
    for number in range(10):
        if number == 0:
            g = changed(u).gradient
            spectrum.apply(g)
            ours.initial_step_rms = 0.1 * float(g.norm() / changed(u).gradient.norm())
        u, x = plain.step(u, changed).x, ours.step(x, _long_valley).x
        expected = u.clone()
        spectrum.apply(expected)
        torch.testing.assert_close(x, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("size", [(4, 5), (7, 8), (1, 6), (9, 1)])
def test_a_spectrum_is_symmetric_and_can_be_undone(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    a, b = (torch.randn(2, 3, *size, dtype=torch.float64) for _ in range(2))
    spectrum = Spectrum(size, 0.5, a)
    filtered, other = a.clone(), b.clone()
    spectrum.apply(filtered)
    spectrum.apply(other)
    torch.testing.assert_close((filtered * b).sum(), (a * other).sum())
    spectrum.undo(filtered)
    torch.testing.assert_close(filtered, a)
    rough = torch.tensor([[1.0, -1.0]], dtype=torch.float64).repeat(8, 4).view(1, 1, 8, 8)
    smooth = torch.ones(1, 1, 8, 8, dtype=torch.float64)
    heavy = Spectrum((8, 8), 0.5, rough)
    for picture in (rough, smooth):
        heavy.apply(picture)
    assert float(smooth.norm()) > 1.5 * float(rough.norm())


def _picture() -> Tensor:
    return torch.linspace(-1.0, 2.0, 60, dtype=torch.float64).view(1, 3, 4, 5).clone()


def _run(solver: LBFGS, steps: int = 12, dtype: torch.dtype = torch.float64) -> Tensor:
    x = torch.linspace(-1.0, 2.0, 60, dtype=dtype).view(1, 3, 4, 5)
    for _ in range(steps):
        x = solver.step(x, _long_valley).x
    return x


PAIR = 2 * 60 * 8


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (0, (10, "full")),
        (10 * PAIR, (10, "full")),
        (10 * PAIR - 1, (10, "half")),
        (4 * PAIR - 1, (7, "half")),
        (3 * PAIR // 2, (3, "half")),
        (3 * PAIR // 2 - 1, (5, "file")),
        (1, (5, "file")),
    ],
)
def test_history_within_its_memory(limit: int, kept: tuple[int, str]) -> None:
    """At half the precision, with fewer pairs, or in a file, and nearly the same steps as with that history."""
    limited = LBFGS(history=10, history_bytes=limit, initial_step_rms=0.1)
    assert limited.plan_history(60 * 8) == kept
    plain = _run(LBFGS(history=kept[0], initial_step_rms=0.1))
    x = _run(limited)
    assert len(limited.state()["sy"]) == min(kept[0], 10)
    torch.testing.assert_close(x, plain, rtol=0, atol=0 if kept[1] == "full" else 1e-5)
    # In float32 the half is float16, scaled: its smallest numbers would lose gradients of style losses.
    rough = _run(LBFGS(history=10, history_bytes=(limit + 1) // 2, initial_step_rms=0.1), dtype=torch.float32)
    torch.testing.assert_close(rough.double(), plain, rtol=0, atol=0.05)


@pytest.mark.parametrize("limit", [0, 4 * PAIR, 1])
def test_a_limited_history_resumes_bit_for_bit(limit: int) -> None:
    def make() -> LBFGS:
        return LBFGS(history=10, history_bytes=limit, initial_step_rms=0.1)

    whole = _run(make(), 13)
    first, second = make(), make()
    x = _run(first, 6)
    second.restore(first.state(), x)
    for _ in range(7):
        x = second.step(x, _long_valley).x
    assert torch.equal(x, whole)


def test_no_room_for_the_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **options: Full())
    with pytest.raises(OutputError, match=r"No space left on device.*history_memory"):
        _run(LBFGS(history_bytes=1))


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-6])
def test_first_steps_go_downhill_whatever_the_losss_scale(scale: float) -> None:
    """A low loss has a small gradient: neither that nor its slope means that nothing is left to do."""
    torch.manual_seed(0)
    goal = torch.rand(1, 3, 16, 16) * 255.0

    def evaluate(x: torch.Tensor, *, with_gradient: bool = True) -> Evaluation:
        loss = scale * (x - goal).square().mean() / 255.0**2
        return Evaluation(float(loss), 2.0 * scale * (x - goal) / x.numel() / 255.0**2, {})

    x = goal.roll(1, -1).contiguous()
    solver = LBFGS(initial_step_rms=4.0, bounds=(0.0, 255.0))
    updates = [solver.step(x, evaluate) for _ in range(10)]
    assert all(update.ended is None for update in updates[:2])
    assert evaluate(x).loss < 1e-3 * updates[0].loss


@pytest.mark.parametrize("storage", ["full", "half", "file"])
def test_what_is_kept_is_read_back_in_other_bands(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(1, 3, 10, 7, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 3, 7)
    monkeypatch.setattr(vectors, "_ON_CPU", 64)
    there = HistoryBuffer(5, x, storage=storage)
    for number, band in enumerate(there.bands):
        for row in range(4):
            there.write(number, row, x.view(-1)[band] * (row - 1))
    state = {name: clone(value) for name, value in there.state(4).items()}
    monkeypatch.setattr(vectors, "_ON_CPU", 100)  # as another device has
    here = HistoryBuffer(5, x, storage=storage)
    here.restore(state["values"], state["scales"], state["band"])
    assert len(here.bands) < len(there.bands)
    for row in range(4):
        rows = [
            torch.cat([each.read(number, 4)[row] for number in range(len(each.bands))])
            for each in (here, there)
        ]
        torch.testing.assert_close(
            *rows, rtol=0.0, atol=0.0 if storage == "full" else 1e-3 * float(x.abs().max())
        )
