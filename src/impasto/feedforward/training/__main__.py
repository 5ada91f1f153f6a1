"""Train the feed-forward network.

python -m impasto.feedforward.training --data DIR -o weights.safetensors --minutes 6.6 --device cuda
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch

from impasto.encoders import VGG
from impasto.encoders.weights import load as load_convolutions
from impasto.errors import ImpastoError
from impasto.feedforward.training import archive
from impasto.feedforward.training.batches import Pools
from impasto.feedforward.training.checkpoint import Checkpoint
from impasto.feedforward.training.run import Outputs, Run
from impasto.feedforward.training.schedule import BySteps, ByTime, Progress
from impasto.feedforward.training.settings import Settings, Stage, Weights
from impasto.feedforward.training.trainer import Trainer

_RESERVE = 8.0
"""Seconds reserved for the last checkpoint and sample sheets; at most a fifth of the run."""


def main() -> int:
    began = time.monotonic()
    given = _parser().parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _train(given, began)
    except ImpastoError as error:
        sys.stderr.write(f"train: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"train: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("train: interrupted; the current weights are saved\n")
        return 130
    return 0


def _train(given: argparse.Namespace, began: float) -> None:
    device = torch.device(given.device)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
    settings = _settings(given)
    pictures = archive.read(given.data / archive.NAME)
    precision = torch.bfloat16 if settings.precision == "bfloat16" else torch.float32
    vgg = VGG(load_convolutions("vgg19")).to(device=device, dtype=precision)
    trainer = Trainer(settings, vgg, device=device, record=given.record)
    outputs = _outputs(given)
    if given.resume:
        trainer.restore(Checkpoint.load(outputs.checkpoint if given.resume is True else given.resume))
    pools = Pools.of(pictures, device=device)
    _say(
        {
            "pictures": {name: len(found) for name, found in pictures.items()},
            "loaded": time.monotonic() - began,
        }
    )
    progress: Progress
    if given.steps:
        progress = BySteps(given.steps)
    else:
        seconds = 60.0 * given.minutes
        progress = ByTime(began + seconds - min(_RESERVE, seconds / 5))
    Run(trainer, pools, progress, outputs, tests=pictures.get("test"), tell=_say)()


def _settings(given: argparse.Namespace) -> Settings:
    stages = []
    for text in given.stages:
        start, size, batch = text.split(":")
        stages.append(Stage(float(start), int(size), int(batch)))
    weights = dataclasses.replace(
        Weights(), **{name: float(value) for name, value in (text.split("=") for text in given.weights)}
    )
    return Settings(
        seed=given.seed,
        stages=tuple(stages) or Settings.stages,
        rate=given.rate,
        averaging=given.averaging,
        precision=given.precision,
        weights=weights,
    )


def _outputs(given: argparse.Namespace) -> Outputs:
    out: Path = given.output
    out.parent.mkdir(parents=True, exist_ok=True)
    return Outputs(
        weights=out,
        checkpoint=given.checkpoint or out.with_suffix(".checkpoint.safetensors"),
        log=out.with_suffix(".jsonl"),
        sheets={size: out.with_name(f"{out.stem}-{size}.jpg") for size in given.sheet},
        sheet_seconds=60.0 * given.sheet_minutes,
        log_steps=given.log_steps,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m impasto.feedforward.training", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with the packed pictures")
    add("-o", "--output", type=Path, required=True, help="the weights; log and sample sheets go beside them")
    add("--checkpoint", type=Path, help="default: beside the weights")
    add("--resume", nargs="?", const=True, type=Path, help="resume from the checkpoint, or from this file")
    length = parser.add_mutually_exclusive_group()
    add_length = length.add_argument
    add_length("--minutes", type=float, default=6.0, help="total time (default: %(default)s)")
    add_length("--steps", type=int, help="number of steps instead of a time; reproducible")
    add("--device", default="cpu")
    add("--record", action="store_true", help="replay each step as a CUDA graph (CUDA only)")
    add("--precision", choices=("float32", "bfloat16"), default=Settings.precision)
    add("--seed", type=int, default=Settings.seed)
    add("--rate", type=float, default=Settings.rate)
    add("--averaging", type=float, default=Settings.averaging)
    add("--stages", nargs="+", default=[], metavar="START:SIZE:BATCH", help="from 0:… on")
    add("--weights", nargs="+", default=[], metavar="TERM=WEIGHT", help="such as style=3")
    add("--sheet", type=int, nargs="*", default=[256, 512], help="sizes of sample sheets")
    add("--sheet-minutes", type=float, default=2.0)
    add("--log-steps", type=int, default=50)
    return parser


def _interrupt(signum: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
