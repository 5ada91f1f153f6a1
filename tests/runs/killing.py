"""A painting process that is killed, or whose disk fails, at a chosen moment; run by test_record.py.

    python -m tests.runs.killing FOLDER times COUNT SEED     killed after random times
    python -m tests.runs.killing FOLDER writes KIND          at each step of each write, one after the other

Painting happens in forked children, since a new process would spend a second on importing torch; no operation of
torch may come before a fork. Prints a JSON list of what happened.
"""

from __future__ import annotations

import errno
import json
import math
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from PIL import Image

from impasto.apps.cli.__main__ import main
from impasto.encoders.weights import ARCHITECTURES, Architecture, Convolutions
from impasto.runs import assemble, record

WAYS = {
    "lbfgs": 'optimizer = "lbfgs"',
    "lbfgs in tiles": 'optimizer = "lbfgs"\ntile = 32',
    "lbfgs in half precision": 'optimizer = "lbfgs"\nhistory_memory = 1\nhistory = 2000',
    "lbfgs-wolfe": 'optimizer = "lbfgs-wolfe"',
    "adam": 'optimizer = "adam"',
    "adam, averaged": 'optimizer = "adam"\naveraging = 0.9\ndetail = 0.0',
}
EACH = 'size = 72\nsmallest = 18\nsteps = 24\ndevice = "cpu"\nprecision = "fp32"\nseed = 3\n'


def thin(network: str, *_: object, **__: object) -> Convolutions:
    """A VGG with a sixteenth of the channels."""
    full = ARCHITECTURES[network]
    generator = torch.Generator().manual_seed(0)
    shapes = Architecture(full.convolutions, tuple(c // 16 for c in full.channels)).shapes()
    kernels = {
        name: torch.randn(shape, generator=generator) * math.sqrt(2 / (9 * shape[1]))
        for name, shape in shapes.items()
    }
    biases = {name: torch.zeros(len(kernel)) for name, kernel in kernels.items()}
    return Convolutions(
        network=network,
        kernels=kernels,
        biases=biases,
        mean=(123.68, 116.779, 103.939),
        source="thin",
        licence="none",
    )


def child(arguments: list[str], *, before: Any = None) -> int:
    """Run the command in a child; the exit status, or minus the signal."""
    pid = os.fork()
    if pid == 0:
        _become(arguments, before)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _become(arguments: list[str], before: Any) -> NoReturn:
    code = 70
    try:
        log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        torch.set_num_threads(1)
        assemble.load = thin  # type: ignore[assignment]
        record.CHECKPOINT_SECONDS = 0.0
        if before is not None:
            before()
        code = main(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def begin(run: str, way: str) -> list[str]:
    recipe = Path(f"{way}.toml")
    if not recipe.exists():
        recipe.write_text(EACH + WAYS[way] + "\n")
    return ["stylize", "content.png", "style.png", "--recipe", str(recipe), "--run", run, "-q"]


def go_on(run: str, way: str) -> list[str]:
    """What a user would type: resume, or, where nothing had been begun, begin."""
    begun = (Path(run) / "recipe.toml").exists()
    return ["resume", run, "-q"] if begun else begin(run, way)


def outcome(run: str, wanted: bytes) -> dict[str, Any]:
    """The finished run beside the uninterrupted one."""
    events = [json.loads(line)["done"] for line in (Path(run) / "events.jsonl").read_text().splitlines()]
    return {
        "same": (Path(run) / "result.png").read_bytes() == wanted,
        "events": events == list(range(1, len(events) + 1)),
        "files": sorted(path.name for path in Path(run).iterdir() if path.name != ".lock"),
    }


def killed_at_random(count: int, seed: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    found = []
    for number, way in ((number, list(WAYS)[number % len(WAYS)]) for number in range(count)):
        whole = f"whole-{way}"
        if not Path(whole).exists():
            started = time.monotonic()
            assert child(begin(whole, way)) == 0, Path("log.txt").read_text()
            (Path(whole) / "seconds").write_text(str(time.monotonic() - started))
        seconds = float((Path(whole) / "seconds").read_text())
        wanted = (Path(whole) / "result.png").read_bytes()
        run, kills, status = f"run-{number}", 0, -9
        while status != 0:
            pid = os.fork()
            if pid == 0:
                _become(go_on(run, way), None)
            if kills < 2:  # twice a run: the second time while it is being resumed
                time.sleep(chance.uniform(0.0, seconds))
                os.kill(pid, signal.SIGKILL)
                kills += 1
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert status in (0, -9), Path("log.txt").read_text()
        found.append({"way": way, "kills": kills, **outcome(run, wanted)})
    return found


class Trap:
    """Counts the system calls that write, and lets something happen at the one with a given number."""

    def __init__(self, number: int, kind: str) -> None:
        self.number, self.kind, self.count = number, kind, 0

    def set(self) -> None:
        os.fsync = self._around(os.fsync)  # type: ignore[assignment]
        os.open = self._around(os.open, lambda path, flags, *_: flags & os.O_CREAT)  # type: ignore[assignment]
        Path.replace = self._around(Path.replace)  # type: ignore[method-assign]
        Path.unlink = self._around(Path.unlink)  # type: ignore[method-assign]
        append = record.RunFolder.append
        record.RunFolder.append = self._around(append) if self.kind == "kill" else append  # type: ignore[method-assign]

    def _around(self, call: Any, counts: Any = lambda *_: True) -> Any:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            if not counts(*arguments):
                return call(*arguments, **named)
            self.count += 1
            if self.count != self.number:
                return call(*arguments, **named)
            if self.kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.kind == "kill after":
                call(*arguments, **named)
                os.kill(os.getpid(), signal.SIGKILL)
            code = {"full": errno.ENOSPC, "broken": errno.EIO}[self.kind]
            raise OSError(code, os.strerror(code))

        return wrapped


def failing_writes(kind: str) -> list[dict[str, Any]]:
    way = "lbfgs"
    assert child(begin("whole", way)) == 0, Path("log.txt").read_text()
    wanted = (Path("whole") / "result.png").read_bytes()
    found: list[dict[str, Any]] = []
    number = 1
    while True:
        run = f"run-{number}"
        status = child(begin(run, way), before=Trap(number, kind).set)
        said = Path("log.txt").read_text()
        if status == 0:
            return found
        left = outcome_of_rest(run, way, wanted)
        found.append({"number": number, "status": status, "said": said, **left})
        number += max(1, number // 12)  # every early one, and then ever fewer


def outcome_of_rest(run: str, way: str, wanted: bytes) -> dict[str, Any]:
    if (Path(run) / "result.png").exists() and b'"done"' in (Path(run) / "run.json").read_bytes():
        return outcome(run, wanted)
    status = child(go_on(run, way))
    assert status == 0, Path("log.txt").read_text()
    return outcome(run, wanted)


def prepare() -> None:
    for name, (width, height) in {"content": (72, 54), "style": (60, 64)}.items():
        y, x = np.mgrid[0:height, 0:width]
        planes = [128 + 100 * np.sin(x / 3 + len(name)), 3 * y, 255 * ((x + y) % 8 < 4)]
        Image.fromarray(np.stack(planes, axis=-1).clip(0, 255).astype(np.uint8)).save(f"{name}.png")


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    prepare()
    if sys.argv[2] == "times":
        report = killed_at_random(int(sys.argv[3]), int(sys.argv[4]))
    else:
        report = failing_writes(sys.argv[3])
    sys.stdout.write(json.dumps(report))
