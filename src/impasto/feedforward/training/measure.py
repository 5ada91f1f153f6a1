"""Benchmark of training: time per step, with single kernel launches and as a CUDA graph, for several batch sizes.

python -m impasto.feedforward.training.measure --data DIR --device cuda --batches 16 32
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import torch

from impasto.encoders import VGG
from impasto.encoders.weights import load as load_convolutions
from impasto.feedforward.training import archive
from impasto.feedforward.training.batches import Pools
from impasto.feedforward.training.settings import Settings, Stage
from impasto.feedforward.training.trainer import Trainer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batches", type=int, nargs="+", default=[16])
    parser.add_argument("--steps", type=int, default=40)
    given = parser.parse_args()
    began = time.monotonic()
    device = torch.device(given.device)
    cuda = device.type == "cuda"
    torch.backends.cudnn.benchmark = cuda
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = cuda
    pools = Pools.of(archive.read(given.data / archive.NAME), device=device)
    vgg = VGG(load_convolutions("vgg19")).to(device=device, dtype=torch.bfloat16)
    _say({"loaded": round(time.monotonic() - began, 2)})
    for batch in given.batches:
        for record in (False, True)[: 2 if cuda else 1]:
            stage = Stage(0.0, given.size, batch)
            trainer = Trainer(Settings(stages=(stage,)), vgg, device=device, record=record)
            _say({"batch": batch, "record": record, **_measured(trainer, pools, stage, given.steps)})
    return 0


def _measured(trainer: Trainer, pools: Pools, stage: Stage, steps: int) -> dict[str, float]:
    """Seconds of the warm-up, milliseconds per step, and the CPU's part of a step for launching kernels."""
    began = time.monotonic()
    for step in range(5):
        terms = trainer.train(pools.batch(trainer.settings, stage, step), 1e-3)
    first = [round(term, 4) for term in (float(terms["loss"]), float(terms["gradient"]))]
    warm = time.monotonic()
    for step in range(5, 5 + steps):
        terms = trainer.train(pools.batch(trainer.settings, stage, step), 1e-3)
    launched = time.monotonic()
    loss = float(terms["loss"])
    over = time.monotonic()
    for step in range(steps):
        pools.batch(trainer.settings, stage, step)
    drawn = time.monotonic()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return {
        "warm_s": round(warm - began, 2),
        "step_ms": round(1e3 * (over - warm) / steps, 2),
        "launch_ms": round(1e3 * (launched - warm) / steps, 2),
        "draw_launch_ms": round(1e3 * (drawn - over) / steps, 2),
        "draw_ms": round(1e3 * (time.monotonic() - over) / steps, 2),
        "loss_5": first[0],
        "gradient_5": first[1],
        "loss": round(loss, 4),
        "gigabytes": round(torch.cuda.max_memory_allocated() / 1e9, 2) if torch.cuda.is_available() else 0.0,
    }


def _say(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
