"""What a GPU needs: the processor waits for it seldom, and no float64 reaches one that has none."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import impasto
from impasto import color
from impasto.assembly.schedule import build_solver
from impasto.engine.evaluation import in_floats, with_tf32
from impasto.engine.solvers.lbfgs import LBFGS
from impasto.exact import exact, exact_type
from impasto.transfer.pictures import Sources
from impasto.transfer.planner import with_history_budget
from impasto.transfer.session import Session

SOURCE = Path(impasto.__file__).parent

FLOAT64 = {
    "exact.py": "the one place that knows which devices have it",
    "color.py": "constants, and colours that exact() has brought to the processor",
    "encoders/conventions.py": "kernels as they are read from a file, on the processor",
    "encoders/module.py": "asked for by the caller, and else the mean before it moves",
    "encoders/vgg.py": "asked for by the caller, and else the mean before it moves",
    "engine/solvers/adam.py": "states, on the processor",
    "engine/solvers/lbfgs.py": "matrices of as many rows as pairs are kept, on the processor; states",
    "engine/solvers/history.py": "a table of types",
    "engine/watchdog.py": "states, on the processor",
    "feedforward/training/pool.py": "shares added up, on the processor",
    "losses/sliced_wasserstein.py": "directions as they are drawn, on the processor",
    "runs/checkpoint.py": "a table of types",
    "figures/colormaps.py": "pictures of maps, on the processor",
    "figures/heatmap.py": "pictures of maps, on the processor",
    "inspection/gram.py": "an order of channels, on the processor",
    "swatches/waves.py": "NumPy",
}
"""File -> why it may name the type."""


def test_float64_is_named_only_where_no_device_without_it_meets_it() -> None:
    named = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if re.search(r"(torch|np)\.(float64|double)\b|\.double\(\)", path.read_text(encoding="utf-8"))
    }
    assert named == FLOAT64.keys()


def test_metal_computes_in_float32_and_others_in_float64() -> None:
    assert exact_type(torch.device("mps")) == torch.float32
    assert exact_type(torch.device("cuda")) == exact_type(torch.device("cpu")) == torch.float64
    assert exact(torch.ones(2)).dtype == torch.float64


@pytest.mark.parametrize(
    "change", [color.match_mean_covariance, color.match_distribution, color.match_lightness]
)
def test_colours_come_back_in_the_pictures_own_type(change: Callable[..., torch.Tensor]) -> None:
    one, other = torch.rand(2, 1, 3, 9, 7)
    assert change(one, other).dtype == torch.float32


class _Waits(TorchDispatchMode):
    """Counts single numbers that are fetched from tensors: on a GPU each is a wait for all that was launched."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "options",
    [{}, {"tv_weight": 1.0, "style_loss": "histogram"}, {"photo_weight": 1.0}, {"pooling": "max-blur"}],
)
def test_an_evaluation_fetches_no_single_numbers(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    content, style = (rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(2))
    recipe = impasto.resolve(size=32, precision="fp32", device="cpu", **options)
    session = Session(recipe, Sources(content, [style]))
    evaluate, x = session.evaluate(), torch.rand(1, 3, 32, 32)
    evaluate(x)
    with _Waits() as waits:
        evaluate(x)
    assert waits.count == 0


def test_terms_are_fetched_together_as_they_are() -> None:
    terms = {"one": torch.tensor(0.1), "two": torch.tensor(0.7)}
    total, found = in_floats(terms)
    assert found == {name: float(value) for name, value in terms.items()}
    assert total == float(torch.stack([*terms.values()]).sum())
    assert in_floats(terms, torch.tensor(5.0))[0] == 5.0


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("tf32", [True, False])
def test_float32_is_what_was_asked_for_whatever_torch_was_told(
    tf32: bool, told: bool, request: pytest.FixtureRequest
) -> None:
    backends: tuple[Any, Any] = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [backend.allow_tf32 for backend in backends]
    request.addfinalizer(lambda: _set(backends, before))
    _set(backends, [told, told])
    seen = []

    def prepare(content: object, styles: object) -> Any:
        def evaluate(x: object, **options: Any) -> None:
            seen.extend(backend.allow_tf32 for backend in backends)

        evaluate(None)
        return evaluate

    evaluate = with_tf32(prepare, tf32=tf32)(lambda: torch.empty(0), [])
    evaluate(torch.empty(0))
    assert seen == [tf32] * 4
    assert all(backend.allow_tf32 == told for backend in backends)


def _set(backends: Sequence[Any], values: Sequence[bool]) -> None:
    for backend, value in zip(backends, values, strict=True):
        backend.allow_tf32 = value


def test_what_metal_lacks_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*given: Any, **named: Any) -> None:
        raise NotImplementedError(
            "The operator 'aten::thing' is not currently implemented for the MPS device. If you want …"
        )

    picture = np.zeros((32, 32, 3), np.uint8)
    painting = impasto.iterate(picture, picture, size=32, steps=2, device="cpu")
    monkeypatch.setattr("impasto.engine.solvers.lbfgs.LBFGS.step", lacks)
    with pytest.raises(impasto.ParameterError, match=r"aten::thing.*PYTORCH_ENABLE_MPS_FALLBACK=1"):
        next(painting)


def test_a_gpu_keeps_what_its_memory_has_room_for() -> None:
    """In a file, or at half the precision, the pairs of L-BFGS would be what a GPU waits for."""
    x, found = torch.empty(1, 3, 4096, 4096, device="meta"), {}
    for device in ("cpu", "cuda"):
        solver = build_solver(with_history_budget(impasto.resolve(), torch.device(device), 140 * 10**9))
        assert isinstance(solver, LBFGS)
        found[device] = solver.plan_history(x.nbytes)[1]
    assert found == {"cpu": "file", "cuda": "full"}
    given = impasto.resolve(history_memory=500)
    assert with_history_budget(given, torch.device("cuda"), 140 * 10**9) == given
