"""What every result says about where it was measured, and how a command is timed."""

from __future__ import annotations

import datetime
import os
import platform
import resource
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import torch

import impasto


def machine() -> dict[str, object]:
    """Processor, cores, versions, date."""
    cpu = Path("/proc/cpuinfo")
    models = [
        line.split(":")[1].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")
    ]
    return {
        "date": datetime.date.today().isoformat(),
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "impasto": impasto.__version__,
    }


def timed(command: Sequence[object]) -> dict[str, float]:
    """Run a command to its end: wall-clock seconds and processor seconds, cold start included.

    Where the two cores were idle otherwise, processor seconds are nearly twice the wall-clock ones; where they are
    not, something else was running and the run does not count.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(seconds, 1), "processor_seconds": round(used, 1)}
