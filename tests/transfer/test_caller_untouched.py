"""Nothing global of the caller's is changed: random numbers, types, modes, threads, warnings, signals, logging.

And none of the caller's modes changes a picture.
"""

from __future__ import annotations

import logging
import random
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import pytest
import torch

import impasto
from impasto.inspection.reconstruct import reconstruct
from impasto.swatches import paint
from tests.thin import load_with, thin

OPTIONS: dict[str, Any] = {"size": 40, "steps": 3, "device": "cpu", "precision": "fp32"}


@pytest.fixture(autouse=True)
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    load_with(monkeypatch, thin)


def everything() -> dict[str, Any]:
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": str(np.random.get_state()),  # noqa: NPY002
        "random": random.getstate(),
        "type": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "threads": torch.get_num_threads(),
        "tf32": (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warnings": list(warnings.filters),
        "signals": [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)],
        "logging": (logging.getLogger().level, list(logging.getLogger().handlers)),
        "python threads": threading.active_count(),
    }


@pytest.mark.parametrize(
    "options",
    [{}, {"init": "noise"}, {"strength": 0.5}, {"style_loss": "sliced-wasserstein"}, {"optimizer": "adam"}],
    ids=str,
)
def test_by_a_picture(options: dict[str, Any]) -> None:
    content, style = paint("mosaic", size=64), paint("strokes", size=64)
    impasto.stylize(content, style, **OPTIONS, **options)  # which may load what Python loads once
    torch.manual_seed(1)
    before = everything()
    impasto.stylize(content, style, **{**OPTIONS, "seed": 5}, **options)
    assert everything() == before
    next(impasto.iterate(content, style, **OPTIONS, **options))
    list(reconstruct("content", content, ["relu1_1"], size=32, steps=2))
    assert everything() == before


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    yield
    torch.set_default_dtype(torch.float32)


MODES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "device meta": lambda: torch.device("meta"),
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
}
WORK: dict[str, Callable[[Any, Any], Any]] = {
    "losses of moments": lambda content, style: (
        impasto.stylize(content, style, **OPTIONS, style_loss="wasserstein", photo_weight=1.0).image
    ),
    "losses of maps": lambda content, style: (
        impasto.stylize(
            content, style, **OPTIONS, style_loss="sliced-wasserstein", content_loss="self-similarity"
        ).image
    ),
    "strength": lambda content, style: impasto.stylize(content, style, **OPTIONS, strength=0.5).image,
    "a step": lambda content, style: next(impasto.iterate(content, style, **OPTIONS)).image,
    "judge": lambda content, style: impasto.Judge(content, style, device="cpu")(content, size=40).loss,
    "reconstruct": lambda content, _: (
        next(iter(reconstruct("content", content, ["relu2_1"], size=32, steps=2))).image
    ),
}


@pytest.mark.parametrize(
    "mode",
    [
        *("inference_mode", "autocast", "float64"),
        *(pytest.param(mode, marks=pytest.mark.exhaustive) for mode in ("no_grad", "device meta", "float16")),
    ],
)
@pytest.mark.parametrize("work", WORK)
def test_in_any_mode_of_the_callers(mode: str, work: str, same_kernels: None) -> None:
    content, style = paint("mosaic", size=64), paint("strokes", size=64)
    wanted = WORK[work](content, style)
    before = everything()
    with MODES[mode]():
        inside = everything()
        found = WORK[work](content, style)
        assert everything() == inside
    assert everything() == before
    if isinstance(found, torch.Tensor):
        assert found.device.type == "cpu" and not found.is_inference()
        found, wanted = found.tolist(), wanted.tolist()
    assert found == wanted
