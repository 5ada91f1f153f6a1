"""A painting process that is killed, or whose disk fails, at a chosen moment; run by test_record.py.

    python -m tests.runs.killing FOLDER times COUNT SEED     killed after random times, COUNT times in all
    python -m tests.runs.killing FOLDER writes KIND EVERY    at one of EVERY writes: "kill", "full" or "broken"
    python -m tests.runs.killing FOLDER locked               in a folder that may only be read, or that another has

Painting happens in forked children, since a new process would spend a second on importing torch; no operation of
torch may come before a fork. Prints a JSON list of what happened.
"""

from __future__ import annotations

import errno
import io
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import psutil  # noqa: F401
import torch
from PIL import Image

import impasto.apps.cli.progress  # noqa: F401  # here once, and not in every child
from impasto.apps.cli.__main__ import main
from impasto.assembly import networks
from impasto.runs import recording
from impasto.runs.folder import RunFolder
from impasto.runs.readers import read_events, read_summary
from impasto.transfer import planner as plan
from impasto.transfer import session
from tests.thin import quick, thin

WAYS = {
    "lbfgs": 'optimizer = "lbfgs"',
    "lbfgs in tiles": 'optimizer = "lbfgs"\ntile = 32',
    "lbfgs in half precision": 'optimizer = "lbfgs"\nhistory_memory = 1\nhistory = 2000',
    "lbfgs-wolfe": 'optimizer = "lbfgs-wolfe"',
    "adam": 'optimizer = "adam"',
    "adam in tiles": 'optimizer = "adam"\ntile = 32',
    "adam, averaged": 'optimizer = "adam"\naveraging = 0.9\ndetail = 0.0',
}
SHORT = "lbfgs, short"
EACH = 'size = 72\nsmallest = 18\nsteps = 24\ndevice = "cpu"\nprecision = "fp32"\nseed = 3\n'


def child(arguments: list[str], *, before: Any = None, after: Any = None) -> int:
    """Run the command in a child; the exit status, or minus the signal."""
    pid = os.fork()
    if pid == 0:
        _become(arguments, before, after)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _become(arguments: list[str], before: Any = None, after: Any = None) -> NoReturn:
    code = 70
    try:
        log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        torch.set_num_threads(1)
        networks.ENCODERS["vgg19"] = networks.vgg("vgg19", thin)
        plan.forecast = quick  # it tries how fast the machine is
        session.learn = lambda *given, **named: None  # it writes into the cache, and may fail
        recording.CHECKPOINT_SECONDS = 0.0
        if before is not None:
            before()
        code = main(arguments)
        if after is not None:
            after()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def begin(run: str, way: str) -> list[str]:
    recipe = Path(f"{way}.toml")
    if not recipe.exists():
        small = EACH.replace("size = 72", "size = 36").replace("steps = 24", "steps = 3")
        recipe.write_text(small + WAYS["lbfgs"] if way == SHORT else EACH + WAYS[way])
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


def is_done(run: str) -> bool:
    summary = read_summary(Path(run))
    return summary is not None and summary.status == "done"


def killed_at_random(count: int, seed: int) -> list[dict[str, Any]]:
    """Runs, each killed up to three times and resumed until done, till ``count`` processes have been killed."""
    chance = random.Random(seed)
    found: list[dict[str, Any]] = []
    while sum(each["kills"] for each in found) < count or len(found) < len(WAYS):
        way = list(WAYS)[len(found) % len(WAYS)]
        whole = f"whole-{way}"
        if not Path(whole).exists():
            started = time.monotonic()
            assert child(begin(whole, way)) == 0, Path("log.txt").read_text()
            (Path(whole) / "seconds").write_text(str(time.monotonic() - started))
        seconds = float((Path(whole) / "seconds").read_text())
        wanted = (Path(whole) / "result.png").read_bytes()
        run, kills, resumed_at = f"run-{len(found)}", 0, []
        while not is_done(run):
            resumed_at.append(len(list(read_events(Path(run)))))
            pid = os.fork()
            if pid == 0:
                _become(go_on(run, way))
            if kills < 3:
                time.sleep(chance.uniform(0.0, seconds))
                os.kill(pid, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert status in (0, -9), Path("log.txt").read_text()
            kills += status == -9
        found.append({"way": way, "kills": kills, "resumed_at": resumed_at, **outcome(run, wanted)})
    return found


class Trap:
    """Counts the system calls that change files, and lets something happen at the one with a given number.

    Args:
        number: of the call, from 1.
        kind: "kill" the process, half way where it writes; the disk is "full", and stays so; the disk is "broken" for
            this one call.
    """

    def __init__(self, number: int, kind: str) -> None:
        self.number, self.kind, self.count = number, kind, 0
        self.calls: list[str] = []
        self.real_open = os.open

    def tell(self) -> None:
        """Write down which calls there were."""
        descriptor = self.real_open("calls", os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, "\n".join(self.calls).encode())

    def set(self) -> None:
        trap, real_open, real_fdopen = self, Path.open, os.fdopen

        class Raw(io.FileIO):
            def write(self, data: Any) -> int:
                data = memoryview(data).cast("B")
                trap.meet("write", lambda: super(Raw, self).write(data[: len(data) // 2]))
                return super().write(data)

        def appending(path: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
            if mode != "a":
                return real_open(path, mode, *rest, **named)
            trap.meet("append")
            return io.TextIOWrapper(io.BufferedWriter(Raw(path, "a")), encoding="utf-8")

        def writing(descriptor: int, mode: str = "r", *rest: Any, **named: Any) -> Any:
            if mode != "wb":
                return real_fdopen(descriptor, mode, *rest, **named)
            return io.BufferedWriter(Raw(descriptor, "wb"))

        Path.open = appending  # type: ignore[method-assign]
        os.fdopen = writing  # type: ignore[assignment]
        os.fsync = self._around("fsync", os.fsync)  # type: ignore[assignment]
        os.open = self._around("open", os.open, lambda path, flags, *_: flags & os.O_CREAT)  # type: ignore[assignment]
        Path.replace = self._around("replace", Path.replace)  # type: ignore[method-assign]
        Path.unlink = self._around("unlink", Path.unlink)  # type: ignore[method-assign]

    def meet(self, call: str, half: Any = lambda: None) -> None:
        self.count += 1
        self.calls.append(call)
        after = self.kind == "full" and call in ("write", "append", "open")
        if self.count != self.number and not (after and self.count > self.number):
            return
        half()
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        code = {"full": errno.ENOSPC, "broken": errno.EIO}[self.kind]
        raise OSError(code, os.strerror(code))

    def _around(self, name: str, call: Any, counts: Any = lambda *_: True) -> Any:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            if counts(*arguments):
                self.meet(name)
            return call(*arguments, **named)

        return wrapped


def short(run: str) -> list[str]:
    """A run of three steps that writes everything there is, in a folder and over an earlier result."""
    shutil.copy("content.png", f"{run}.png")
    return [*begin(run, SHORT), "--save-every", "2", "-o", f"{run}.png", "--force"]


def failing_writes(kind: str, every: int) -> list[dict[str, Any]]:
    """What a run leaves whose first call that changes a file fails, and so on with every so manieth."""
    assert child(short("whole")) == 0, Path("log.txt").read_text()
    wanted = (Path("whole") / "result.png").read_bytes()
    old = Path("content.png").read_bytes()
    found: list[dict[str, Any]] = []
    while True:
        number = every * len(found) + 1
        run = f"run-{number}"
        trap = Trap(number, kind)
        Path("calls").unlink(missing_ok=True)
        status = child(short(run), before=trap.set, after=trap.tell)
        said = Path("log.txt").read_text()
        if status == 0 and len(calls := Path("calls").read_text().split()) < number:
            return [{**each, "call": calls[each["number"] - 1]} for each in found]
        earlier = Path(f"{run}.png").read_bytes() in (old, wanted)
        parts = sorted(
            path.name for path in (*Path(run).glob("*"), *Path().glob("*")) if path.suffix == ".part"
        )
        if not is_done(run):
            assert child(go_on(run, SHORT)) == 0, Path("log.txt").read_text()
        left = outcome(run, wanted)
        found.append(
            {"number": number, "status": status, "said": said, "earlier": earlier, "parts": parts, **left}
        )
        shutil.rmtree(run)


def locked() -> dict[str, Any]:
    """Begin and resume where nothing may be written, and resume what another process paints."""

    def unprivileged() -> None:
        if os.geteuid() == 0:  # who may write everywhere
            os.setuid(65534)

    assert child(short("run"), before=Trap(50, "kill").set) == -9
    Path("closed").mkdir()
    for path in (Path(), Path("closed"), Path("run")):
        path.chmod(0o555)
    Path("log.txt").chmod(0o666)
    found: dict[str, Any] = {}
    before = {path.name: path.stat().st_mtime_ns for path in Path("run").iterdir()}
    for what, arguments in {
        "begin": [*begin("closed", SHORT)],
        "make": [*begin("closed/new", SHORT)],
        "resume": ["resume", "run", "-q"],
    }.items():
        found[what] = {"status": child(arguments, before=unprivileged), "said": Path("log.txt").read_text()}
    found["untouched"] = before == {path.name: path.stat().st_mtime_ns for path in Path("run").iterdir()}
    for path in (Path(), Path("closed"), Path("run")):
        path.chmod(0o755)
    with RunFolder(Path("run")):
        found["second"] = {"status": child(["resume", "run", "-q"]), "said": Path("log.txt").read_text()}
    found["afterwards"] = child(["resume", "run", "-q"])
    return found


def prepare() -> None:
    for name, (width, height) in {"content": (72, 54), "style": (60, 64)}.items():
        y, x = np.mgrid[0:height, 0:width]
        planes = [128 + 100 * np.sin(x / 3 + len(name)), 3 * y, 255 * ((x + y) % 8 < 4)]
        Image.fromarray(np.stack(planes, axis=-1).clip(0, 255).astype(np.uint8)).save(f"{name}.png")


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    prepare()
    Image.init()
    report: Any
    match sys.argv[2]:
        case "times":
            report = killed_at_random(int(sys.argv[3]), int(sys.argv[4]))
        case "writes":
            report = failing_writes(sys.argv[3], int(sys.argv[4]))
        case _:
            report = locked()
    sys.stdout.write(json.dumps(report))
