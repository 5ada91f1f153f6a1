"""An answer is measured once for a machine, by whichever process comes first, and never at the cost of an error."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from impasto import measured as module
from impasto.measured import answering, forget, measured, race
from impasto.processor import acting_as, processor


class Measure:
    """Counts how often it is asked."""

    def __init__(self, answer: object = 7) -> None:
        self.answer, self.asked = answer, 0

    def __call__(self) -> object:
        self.asked += 1
        return self.answer


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, as in a new process, on a machine that does nothing else."""
    monkeypatch.setattr(module, "disturbed", lambda threads: False)
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "cache"))
    forget()
    yield tmp_path / "cache" / "measured"
    forget()


@pytest.mark.parametrize("answer", [7, "bf16", {"direct": 1.5, "winograd-4": 0.25}, [1, 2], False])
def test_once_and_then_from_the_disk(answer: object, cache: Path) -> None:
    measure = Measure(answer)
    assert measured("what", measure) == answer
    assert measured("what", measure) == answer
    forget()
    assert measured("what", measure) == answer
    assert measure.asked == 1
    (kept,) = cache.iterdir()
    assert json.loads(kept.read_text())["answer"] == answer


def test_another_question_revision_or_machine_measures_again(monkeypatch: pytest.MonkeyPatch) -> None:
    measure, here = Measure(), processor()
    measured("one", measure)
    measured("two", measure)
    measured("two", measure, revision=1)
    assert measure.asked == 3
    others = (
        replace(here, name="another"),
        replace(here, model="another"),
        replace(here, extensions=("NEON",)),
        replace(here, bfloat16=not here.bfloat16),
        replace(here, threads=here.threads + 1),
    )
    for number, other in enumerate(others, start=4):
        with acting_as(other):
            measured("one", measure)
        assert measure.asked == number
    monkeypatch.setattr(module, "__version__", "99")
    measured("one", measure)
    assert measure.asked == 9
    monkeypatch.undo()


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"answer": 3}', b"[" * 100_000],
    ids=["empty", "cut off", "a list", "null", "no text", "of nothing", "deep"],
)
def test_a_damaged_file_is_measured_again_and_mended(damage: bytes, cache: Path) -> None:
    measure = Measure()
    measured("what", measure)
    (kept,) = cache.iterdir()
    kept.write_bytes(damage)
    forget()
    assert measured("what", measure) == 7
    forget()
    assert measured("what", measure) == 7
    assert measure.asked == 2


def test_what_cannot_be_the_answer_is_measured_again() -> None:
    measured("what", Measure("double"))
    forget()
    assert measured("what", Measure("fp32"), accept=lambda answer: answer in ("fp32", "bf16")) == "fp32"


def test_where_nothing_can_be_written_it_is_measured_once_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for nowhere in (str(tmp_path / "file" / "cache"), "~no-such-user/x"):
        measure = Measure()
        monkeypatch.setenv("IMPASTO_CACHE", nowhere)
        forget()
        assert measured("what", measure) == measured("what", measure) == 7
        assert measure.asked == 1


def test_what_was_measured_while_others_compute_holds_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "disturbed", lambda threads: True)
    measure, now = Measure(), time.time()
    for later, asked in ((0, 1), (3000, 1), (4000, 2), (7000, 2), (8000, 3)):
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        forget()
        assert measured("what", measure) == 7
        assert measure.asked == asked
    monkeypatch.setattr(module, "disturbed", lambda threads: False)
    for later in (20_000, 10**9):
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        forget()
        measured("what", measure)
        assert measure.asked == 4


def test_a_measurement_may_need_another() -> None:
    assert measured("outer", lambda: 1 + measured("inner", lambda: 2)) == 3


def test_what_fails_is_not_kept() -> None:
    def fails() -> int:
        raise RuntimeError("no such kernel")

    with pytest.raises(RuntimeError, match="no such kernel"):
        measured("what", fails)
    assert measured("what", lambda: 7) == 7


def test_several_threads_measure_once() -> None:
    measure, answers = Measure(), list[object]()
    threads = [threading.Thread(target=lambda: answers.append(measured("what", measure))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [7] * 8
    assert measure.asked == 1


def test_several_processes_leave_one_whole_file_each_question(cache: Path) -> None:
    script = (
        "from impasto.measured import measured\nfor n in range(40): measured(f'q {n}', lambda: [n] * 1000)"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert len(list(cache.iterdir())) == 40
    answers = sorted(json.loads(path.read_text())["answer"][0] for path in cache.iterdir())
    assert answers == list(range(40))


def test_answers_given_in_advance() -> None:
    measure = Measure()
    with answering({"what": "bf16"}):
        assert measured("what", measure) == "bf16"
        with answering({"what": "fp32"}):
            assert measured("what", measure) == "fp32"
        assert measured("else", measure) == 7
    assert measured("what", measure) == 7


def test_a_race_runs_every_way_in_turn() -> None:
    ran: list[str] = []
    times = race({"a": lambda: ran.append("a"), "b": lambda: ran.append("b")}, seconds=0.0)
    assert ran == ["a", "b", "a", "b"]
    assert set(times) == {"a", "b"}
    assert all(0 <= milliseconds < 1000 for milliseconds in times.values())
