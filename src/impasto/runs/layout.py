"""The files of a run's folder, and the fields of its summary."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

VERSION = 1
"""Version of the folder's layout."""

RECIPE, EVENTS, SUMMARY, RESULT = "recipe.toml", "events.jsonl", "run.json", "result.png"
CHECKPOINTS = ("checkpoint.safetensors", "checkpoint-before.safetensors")
LOCK = ".lock"
Status = Literal["running", "done", "stopped", "failed"]


class Summary(BaseModel):
    """`run.json`.

    Attributes:
        version: of the folder's layout.
        impasto: version of impasto.
        status: "running" (or killed: see :func:`impasto.runs.readers.status`), "done", "stopped" by the user, or
            "failed".
        started: time at which the run was created, ISO 8601.
        size: (width, height) of the result.
        done, planned: numbers of iterations.
        loss, losses: of the last iteration; in a finished run, of the result.
        seconds: duration of all iterations, without interruptions.
        device, precision, threads: of the computation; a resumed run with others is not bit-identical.
        peak_memory: in bytes.
        notes: one line each.
        save_every: iterations between two saved pictures; the default of a resumed run.
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
