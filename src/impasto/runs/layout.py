"""Which files a run's folder has, and what stands in its summary."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

VERSION = 1
"""Of the folder's layout."""

RECIPE, EVENTS, SUMMARY, RESULT = "recipe.toml", "events.jsonl", "run.json", "result.png"
CHECKPOINTS = ("checkpoint.safetensors", "checkpoint-before.safetensors")
LOCK = ".lock"
Status = Literal["running", "done", "stopped", "failed"]


class Summary(BaseModel):
    """`run.json`.

    Attributes:
        version: of the folder's layout.
        impasto: the version that painted.
        status: "running" (or killed: see :func:`status`), "done", "stopped" by the user, or "failed".
        started: when the first sitting began, ISO 8601.
        size: (width, height) of the result.
        done, planned: iterations.
        loss, losses: of the newest iteration; when done, of the result.
        seconds: painting, over all sittings.
        device, precision, threads: what it is painted with; another one gives other last bits.
        peak_memory: bytes.
        notes: what was noticed, one line each.
        save_every: iterations between two pictures kept; a resumed run keeps on keeping them.
    """

    model_config = ConfigDict(frozen=True)

    version: int = VERSION
    impasto: str
    status: Status
    started: str
    size: tuple[int, int]
    done: int = 0
    planned: int
    loss: float | None = None
    losses: dict[str, float] = {}
    seconds: float = 0.0
    device: str
    precision: str
    threads: int
    peak_memory: int = 0
    notes: tuple[str, ...] = ()
    save_every: int | Literal["log"] = 0
