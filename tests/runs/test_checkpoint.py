"""A checkpoint is plain safetensors, comes back bit for bit, and is never whole in memory on its way."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from impasto.engine.evaluation import Evaluation
from impasto.engine.solvers.adam import Adam
from impasto.engine.solvers.lbfgs import LBFGS
from impasto.engine.solvers.solver import Solver
from impasto.engine.solvers.state import clone
from impasto.errors import OutputError
from impasto.files import replacing
from impasto.runs import checkpoint
from impasto.runs.checkpoint import Checkpoint, read_from, write_to

SIDE = 200  # (1, 3, 200, 200) are two of L-BFGS's bands
PAIR = 2 * 3 * SIDE**2 * 4

SOLVERS: dict[str, Any] = {
    "full": lambda: LBFGS(history=6, initial_step_rms=0.1),
    "half": lambda: LBFGS(history=6, initial_step_rms=0.1, history_bytes=4 * PAIR),
    "file": lambda: LBFGS(history=6, initial_step_rms=0.1, history_bytes=1),
    "adam": lambda: Adam(learning_rate=0.1, averaging=0.9),
}


def _valley(x: Tensor, *, with_gradient: bool = True) -> Evaluation:
    weights = torch.linspace(1.0, 9.0, x.numel()).view_as(x)
    off = x - weights.sin()
    return Evaluation(float((weights * off.square()).sum()), 2.0 * weights * off, {})


def _painted(solver: Solver, steps: int) -> Tensor:
    x = torch.zeros(1, 3, SIDE, SIDE)
    for _ in range(steps):
        x = solver.step(x, _valley).x
    return x


def _written(path: Path, state: Any, done: int = 7, seconds: float = 1.25) -> Path:
    with replacing(path) as file:
        write_to(file, Checkpoint(state, done, seconds))
    return path


def _mixed() -> dict[str, Tensor]:
    """Every type, a number alone, nothing at all, and lengths that would put the next one at odd places."""
    generator = torch.Generator().manual_seed(0)
    return {
        "position": torch.tensor([1, 2, 3]),
        "steps": torch.tensor(5, dtype=torch.int32),
        "best_x": torch.randint(0, 255, (1, 3, 5, 7), generator=generator).to(torch.uint8),
        "none": torch.zeros(0, 0, dtype=torch.float64),
        "on": torch.tensor([True, False, True]),
        "values": torch.rand(3, 11, generator=generator).half(),
        "bf": torch.rand(5, generator=generator).bfloat16(),
        "sy": torch.rand(4, 4, generator=generator, dtype=torch.float64),
        "turned": torch.rand(6, 8, generator=generator).T,
    }


def test_what_is_written_is_read(tmp_path: Path) -> None:
    state = _mixed()
    path = _written(tmp_path / "checkpoint.safetensors", state, 7, 0.1 + 0.2)
    found = read_from(path)
    assert (found.done, found.seconds) == (7, 0.1 + 0.2)
    plain = load_file(path)
    assert found.state.keys() == plain.keys() == state.keys()
    for name, tensor in state.items():
        read = clone(found.state[name])
        assert read.dtype == tensor.dtype
        assert torch.equal(read, tensor), name
        assert torch.equal(plain[name], tensor), name
    with safe_open(path, framework="np") as file:
        assert file.metadata()["version"] == "2"
        assert file.metadata()["done"] == "7"


@pytest.mark.parametrize("name", SOLVERS)
def test_a_solver_goes_on_from_its_file(tmp_path: Path, name: str) -> None:
    whole = _painted(SOLVERS[name](), 14)
    first, second = SOLVERS[name](), SOLVERS[name]()
    x = _painted(first, 9)
    state = {**first.state(), "x": x}
    copies = {key: clone(value) for key, value in state.items()}
    path = _written(tmp_path / "checkpoint.safetensors", state)
    plain = load_file(path)
    assert all(torch.equal(plain[key], copies[key]) for key in copies)
    found = read_from(path).state
    y = clone(found["x"])
    second.restore({key: found[key] for key in found if key != "x"}, y)
    for _ in range(5):
        y = second.step(y, _valley).x
    assert torch.equal(y, whole)


class _Watched(io.BytesIO):
    """A file that knows the most that was written to it at once."""

    most = 0

    def write(self, data: Any) -> int:
        self.most = max(self.most, memoryview(data).nbytes)
        return super().write(data)


@pytest.mark.parametrize("name", SOLVERS)
def test_it_is_never_whole_in_memory(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is it written in pieces larger than one, nor does reading or writing it ask for more memory."""
    monkeypatch.setattr(checkpoint, "_PIECE", 1 << 16)
    solver = SOLVERS[name]()
    x = _painted(solver, 9)
    state = {**solver.state(), "x": x}
    file = _Watched()
    with _Tensors() as written:
        write_to(file, Checkpoint(state, 9, 1.0))
    length = len(file.getvalue())
    assert length > 4 * x.numel() * 4 * (0.5 if name in ("half", "file") else 1.0)
    assert file.most <= 1 << 16
    # The temporary file is read a band at a time; everything else is there already.
    assert written.most <= ((1 << 16) * 2 if name == "file" else 0)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(file.getvalue())
    with _Tensors() as read:
        found = read_from(path).state
        for value in found.values():
            for chunk in value.chunks():  # type: ignore[union-attr]
                value[chunk]
    assert read.most <= 1 << 16


class _Tensors:
    """The largest tensor made by what a checkpoint calls to make one, in bytes."""

    most = 0

    def __enter__(self) -> _Tensors:
        self._real = {name: getattr(torch, name) for name in ("empty", "zeros", "cat")}
        for name, make in self._real.items():
            setattr(torch, name, self._watched(make))
        return self

    def _watched(self, make: Any) -> Any:
        def made(*arguments: Any, **named: Any) -> Tensor:
            tensor: Tensor = make(*arguments, **named)
            self.most = max(self.most, tensor.numel() * tensor.element_size())
            return tensor

        return made

    def __exit__(self, *error: object) -> None:
        for name, make in self._real.items():
            setattr(torch, name, make)


def _places(length: int, header: int) -> Iterator[int]:
    """Every byte of what comes first and last, and of the rest some."""
    yield from range(min(length, header + 40))
    yield from range(header + 40, length, 13)
    yield length - 1


def test_a_changed_byte_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    path = _written(tmp_path / "checkpoint.safetensors", _mixed())
    good = path.read_bytes()
    header = 8 + int.from_bytes(good[:8], "little")
    for place in _places(len(good), header):
        bad = bytearray(good)
        bad[place] ^= 1 << place % 8
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"header|long|short|bytes|version"):
            read_from(path)
    path.write_bytes(good)
    read_from(path)


def test_a_file_of_another_length_is_noticed(tmp_path: Path) -> None:
    path = _written(tmp_path / "checkpoint.safetensors", _mixed())
    good = path.read_bytes()
    for length in range(0, len(good), 3):
        path.write_bytes(good[:length])
        with pytest.raises(ValueError, match=r"header|long|short|bytes"):
            read_from(path)
    path.write_bytes(good + b"\0")
    with pytest.raises(ValueError, match="expected the length"):
        read_from(path)


@pytest.mark.parametrize(
    "about",
    [
        {},
        {"version": "1"},
        {"version": "3", "done": "1", "seconds": "1.0", "digest": "0" * 32},
        {"version": "2", "done": "one", "seconds": "1.0", "digest": "0" * 32},
        {"version": "2", "done": "1", "seconds": "1.0", "digest": ""},
    ],
)
def test_other_safetensors_are_no_checkpoint(tmp_path: Path, about: dict[str, str]) -> None:
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(save({"x": torch.zeros(3)}, about or None))
    with pytest.raises(
        ValueError, match=r"expected the header of a checkpoint|expected version|expected bytes that match"
    ):
        read_from(path)


def test_a_file_that_is_cut_short_after_it_was_judged(tmp_path: Path) -> None:
    path = _written(tmp_path / "checkpoint.safetensors", {"x": torch.zeros(1000)})
    state = read_from(path).state
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(OutputError, match=r"checkpoint\.safetensors: cannot read: the file is truncated"):
        clone(state["x"])
