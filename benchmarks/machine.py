"""What every result says about where it was measured, and how a command is timed."""

from __future__ import annotations

import datetime
import os
import platform
import re
import resource
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import torch

import impasto
from impasto.processor import processor


def machine() -> dict[str, object]:
    """Processor, what PyTorch may use of it, cores, versions, date."""
    here = processor()
    return {
        "date": datetime.date.today().isoformat(),
        "processor": here.name,
        "extensions": list(here.extensions),
        "cores": os.cpu_count(),
        "threads": here.threads,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "impasto": impasto.__version__,
    }


def results(name: str) -> Path:
    """Where the figures of this kind of processor are kept: one file each, named by its widest vectors."""
    here = processor()
    kind = "-".join([here.name, *[each for each in here.extensions if each != "FMA"][-1:]])
    slug = re.sub(r"[^a-z0-9]+", "-", kind.lower()).strip("-")
    return Path(__file__).parent / "results" / f"{name}.{slug}.json"


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
