"""A complete training run: steps, log, checkpoints, sample sheets, weights."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from impasto.errors import DivergedError
from impasto.feedforward import weights
from impasto.feedforward.training import sheet
from impasto.feedforward.training.archive import Picture
from impasto.feedforward.training.batches import Pools
from impasto.feedforward.training.checkpoint import Checkpoint
from impasto.feedforward.training.schedule import Progress, learning_rate, stage
from impasto.feedforward.training.trainer import Trainer

_ATTEMPTS = 3


@dataclass(frozen=True)
class Outputs:
    """A run's output files, and their intervals.

    Attributes:
        weights: path of the averaged network.
        checkpoint: path of the checkpoint.
        log: path of the log, in JSON lines.
        sheets: size in pixels -> path of the sample sheet.
        checkpoint_seconds, sheet_seconds: intervals; both are also written at the end of a run.
        log_steps: interval of the log in steps; logging synchronises with the device.
    """

    weights: Path
    checkpoint: Path
    log: Path
    sheets: Mapping[int, Path] = field(default_factory=dict)
    checkpoint_seconds: float = 60.0
    sheet_seconds: float = 120.0
    log_steps: int = 50


class Run:
    """Trains until the progress reaches 1.

    Args:
        tests: folder "test" of the archive, for sample sheets.
        tell: called with each line of the log.

    Raises:
        DivergedError: the loss was not finite, and restarting from the last good state did not help.
        OSError: a file cannot be written.
    """

    def __init__(
        self,
        trainer: Trainer,
        pools: Pools,
        progress: Progress,
        outputs: Outputs,
        *,
        tests: Mapping[str, Picture] | None = None,
        tell: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self._trainer, self._pools, self._progress, self._outputs = trainer, pools, progress, outputs
        self._contents, self._styles = (
            {name: picture for name, picture in (tests or {}).items() if name.startswith(f"{kind}-")}
            for kind in ("content", "style")
        )
        self._tell = tell
        self._good: Checkpoint = trainer.checkpoint()
        self._pace = 1.0  # of the learning rate
        self._failures = 0

    def __call__(self) -> None:
        """Train. On any exception, the current weights are written first."""
        began = time.monotonic()
        saved = shown = began
        self._log({"settings": asdict(self._trainer.settings), "step": self._trainer.step})
        try:
            while (share := self._progress(self._trainer.step)) < 1.0:
                terms = self._step(share)
                if self._trainer.step % self._outputs.log_steps == 0:
                    if not self._report(terms, share, time.monotonic() - began):
                        continue
                    if time.monotonic() - saved >= self._outputs.checkpoint_seconds:
                        saved = time.monotonic()
                        self._keep()
                    if time.monotonic() - shown >= self._outputs.sheet_seconds:
                        shown = time.monotonic()
                        self._show(smallest_only=True)
        finally:
            if self._trainer.step != self._good.step:
                self._keep()
        self._show()
        self._log({"step": self._trainer.step, "seconds": round(time.monotonic() - began, 2), "over": True})

    def _step(self, share: float) -> dict[str, Tensor]:
        settings = self._trainer.settings
        batch = self._pools.batch(settings, stage(settings, share), self._trainer.step)
        return self._trainer.train(batch, self._pace * learning_rate(settings, share))

    def _report(self, terms: Mapping[str, Tensor], share: float, seconds: float) -> bool:
        """Log a step's terms; False if they were not finite and the run restarted from the last good state."""
        values = dict(zip(terms, torch.stack([t.float() for t in terms.values()]).tolist(), strict=True))
        settings = self._trainer.settings
        self._log(
            {
                "step": self._trainer.step,
                "seconds": round(seconds, 2),
                "progress": round(share, 4),
                "size": stage(settings, share).size,
                "rate": self._pace * learning_rate(settings, share),
                **{name: round(value, 5) for name, value in values.items()},
            }
        )
        if all(map(math.isfinite, values.values())):
            return True
        self._failures += 1
        if self._failures >= _ATTEMPTS:
            self._trainer.restore(self._good)
            raise DivergedError(
                f"training: the loss at step {self._trainer.step} is not finite, {_ATTEMPTS} times"
            )
        self._pace *= 0.5
        self._trainer.restore(self._good)
        self._log({"step": self._trainer.step, "restored": True, "pace": self._pace})
        return False

    def _keep(self) -> None:
        """Write the weights and a checkpoint if all values are finite; otherwise the previous files stay."""
        now = self._trainer.checkpoint()
        finite = torch.stack([tensor.isfinite().all() for tensor in now.tensors.values()]).all()
        if not bool(finite):
            return
        self._good = now
        weights.save(self._trainer.average, self._outputs.weights, steps=str(self._trainer.step))
        now.save(self._outputs.checkpoint)

    def _show(self, *, smallest_only: bool = False) -> None:
        if not (self._contents and self._styles):
            return
        sizes = sorted(self._outputs.sheets)[: 1 if smallest_only else None]
        for size in sizes:
            picture = sheet.sheet(self._trainer.average, self._contents, self._styles, size)
            sheet.write(self._outputs.sheets[size], picture)

    def _log(self, line: dict[str, Any]) -> None:
        with self._outputs.log.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if self._tell:
            self._tell(line)
