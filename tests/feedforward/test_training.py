"""Training: the same again by the same seed, resumed as uninterrupted, in time, and in the right direction."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from impasto.encoders import VGG
from impasto.encoders.weights import load
from impasto.errors import ImpastoError
from impasto.feedforward.network import Architecture
from impasto.feedforward.training import archive
from impasto.feedforward.training.archive import Entry
from impasto.feedforward.training.batches import Pools
from impasto.feedforward.training.checkpoint import Checkpoint
from impasto.feedforward.training.run import Outputs, Run
from impasto.feedforward.training.schedule import BySteps, ByTime, learning_rate, stage
from impasto.feedforward.training.settings import Settings, Stage
from impasto.feedforward.training.trainer import Trainer
from impasto.swatches import paint

SETTINGS = Settings(
    architecture=Architecture(widths=(4, 4, 8, 8, 8), code=6, hidden=8, mixes=2, blocks=(1, 1, 1)),
    stages=(Stage(0.0, 32, 4), Stage(0.5, 48, 2)),
    precision="float32",
)


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Pools:
    path = tmp_path_factory.mktemp("data") / archive.NAME
    media = ("mosaic", "waves", "strokes")
    archive.write(
        path,
        [Entry(f"{of}/{name}", paint(name, size=72), 72, 90) for of in ("photos", "art") for name in media],
    )
    return Pools.of(archive.read(path), device="cpu")


@pytest.fixture(scope="module")
def judge() -> VGG:
    return VGG(load("vgg19")).to(dtype=torch.float32)


def _trained(pools: Pools, judge: VGG, steps: int, start: Checkpoint | None = None) -> Trainer:
    trainer = Trainer(SETTINGS, judge, device="cpu")
    if start is not None:
        trainer.restore(start)
    while trainer.step < steps:
        share = trainer.step / 4
        trainer.train(
            pools.batch(SETTINGS, stage(SETTINGS, share), trainer.step), learning_rate(SETTINGS, share)
        )
    return trainer


def test_resumed_is_uninterrupted(pools: Pools, judge: VGG, tmp_path: Path) -> None:
    whole = _trained(pools, judge, 4)
    _trained(pools, judge, 2).checkpoint().save(tmp_path / "half.safetensors")
    resumed = _trained(pools, judge, 4, Checkpoint.load(tmp_path / "half.safetensors"))
    for (name, one), (_, other) in zip(whole._state(), resumed._state(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7, msg=name)


def test_the_same_seed_draws_the_same_batches(pools: Pools) -> None:
    one, same = (pools.batch(SETTINGS, SETTINGS.stages[0], 3) for _ in range(2))
    other = pools.batch(SETTINGS, SETTINGS.stages[0], 4)
    assert torch.equal(one.contents, same.contents)
    assert torch.equal(one.styles, same.styles)
    assert not torch.equal(one.contents, other.contents)
    assert one.contents.shape == (4, 3, 32, 32)
    assert float(one.styles.min()) >= 0.0
    assert float(one.styles.max()) <= 1.0


def test_no_global_random_state_is_touched(pools: Pools, judge: VGG) -> None:
    before = torch.random.get_rng_state()
    Trainer(SETTINGS, judge, device="cpu")
    pools.batch(SETTINGS, SETTINGS.stages[0], 0)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_run_writes_weights_checkpoint_and_log(pools: Pools, judge: VGG, tmp_path: Path) -> None:
    outputs = Outputs(
        tmp_path / "w.safetensors", tmp_path / "c.safetensors", tmp_path / "log.jsonl", log_steps=1
    )
    Run(Trainer(SETTINGS, judge, device="cpu"), pools, BySteps(2), outputs)()
    lines = [json.loads(line) for line in outputs.log.read_text().splitlines()]
    assert lines[-1]["over"]
    assert all(np.isfinite(line["loss"]) for line in lines if "loss" in line)
    assert outputs.weights.exists()
    assert outputs.checkpoint.exists()


def test_by_the_clock_it_ends_in_time() -> None:
    now = [10.0]
    progress = ByTime(20.0, clock=lambda: now[0])
    assert progress(0) == 0.0
    now[0] = 15.0
    assert progress(7) == pytest.approx(0.5)
    now[0] = 20.0
    assert progress(9) >= 1.0
    assert learning_rate(SETTINGS, 1.0) == pytest.approx(SETTINGS.rate * SETTINGS.last_rate)
    assert learning_rate(SETTINGS, SETTINGS.warmup) == pytest.approx(SETTINGS.rate)


def test_an_archive_gives_back_its_pictures_and_counts_the_damaged(tmp_path: Path) -> None:
    damaged = tmp_path / "bad.jpg"
    damaged.write_bytes(b"no picture")
    path = tmp_path / archive.NAME
    count, skipped = archive.write(
        path,
        [Entry("photos/one", paint("glass", size=64), 48, 95), Entry("photos/two", damaged, 48, 95)],
    )
    assert count == 1
    assert len(skipped) == 1
    assert "bad.jpg" in skipped[0]
    (found,) = archive.read(path)["photos"].values()
    assert max(found.shape[:2]) == 48
    with pytest.raises((ImpastoError, OSError)):
        archive.read(tmp_path / "missing.tar")
