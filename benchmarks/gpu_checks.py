"""What a GPU makes of every preset, loss and setting, beside the same on the processor in float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

import impasto
from impasto.assembly.objective import CONTENT_LOSSES, STYLE_LOSSES
from impasto.engine.evaluation import Evaluation
from impasto.geometry import resize
from impasto.transfer.pictures import Sources
from impasto.transfer.resources import SessionCache
from impasto.transfer.session import Session
from impasto.transfer.texture import settings as texture_settings

Pixels = NDArray[np.uint8]

BARS: dict[str, tuple[float, float]] = {"fp32": (2e-4, 0.999), "tf32": (1e-2, 0.99), "bf16": (5e-2, 0.9)}
"""By kind of arithmetic: the most that the loss may be off, of itself, and the least cosine of the gradients."""


def precision(kind: str, device: str) -> str:
    """The recipe's for that arithmetic: a processor has no TF32, and computes float32 in its place."""
    return "fp32" if kind == "tf32" and device == "cpu" else kind


def cases(folder: Path, size: int) -> dict[str, dict[str, Any]]:
    """Name -> the options of :func:`impasto.stylize`, for pictures of ``size`` pixels."""
    left = np.zeros((size, size), np.uint8)
    left[:, : size // 2] = 255
    masks = {}
    for name, mask in (("left", left), ("right", 255 - left)):
        path = folder / f"mask-{name}.png"
        Image.fromarray(mask).save(path)
        masks[name] = str(path)
    regions = [{"name": name, "mask": {"path": path}} for name, path in masks.items()]
    mixed = [dict(regions[0], loss="histogram"), dict(regions[1], loss="wasserstein")]
    found: dict[str, dict[str, Any]] = {f"preset {name}": {"preset": name} for name in impasto.PRESETS}
    found |= {f"style {name}": {"style_loss": name} for name in STYLE_LOSSES}
    found |= {f"content {name}": {"content_loss": name} for name in CONTENT_LOSSES}
    found |= {
        f"tv {name}": {"tv_loss": name, "tv_weight": 10.0}
        for name in ("absolute-sum", "absolute-mean", "nine-point")
    }
    found |= {f"pooling {name}": {"pooling": name} for name in ("max", "average", "l2", "max-blur")}
    found |= {
        f"padding {name}": {"padding": name} for name in ("zero", "replicate", "replicate-first", "reflect")
    }
    found["photo"] = {"photo_weight": 1.0}
    found["tiles"] = {"tile": size // 2}
    found["tiles, patches"] = {"tile": size // 2, "style_loss": "patches"}
    found["regions"] = {"regions": regions}
    found["regions, own losses"] = {"regions": mixed}
    found["texture"] = texture_settings((size, size), size)
    found["seamless texture"] = texture_settings((size, size), size, seamless=True)
    return {name: {"size": size, **options} for name, options in found.items()}


class Bench:
    """Sessions on the processor and on a device, sharing a network as long as they can.

    Args:
        content, style: pictures.
        device: "cuda", or "cpu" to try this out.
    """

    def __init__(self, content: Pixels, style: Pixels, device: str) -> None:
        self.content, self.style, self.device = content, style, device
        self._shared: dict[tuple[str, str], SessionCache] = {}

    def session(self, options: Mapping[str, Any], device: str, precision: str) -> Session:
        recipe = impasto.resolve(**{**options, "device": device, "precision": precision})
        shared = self._shared.setdefault((device, precision), SessionCache())
        return Session(recipe, Sources(self.content, [self.style]), resources=shared)

    def evaluated(self, options: Mapping[str, Any], device: str, precision: str) -> Evaluation:
        """The losses and the gradient at the content with noise on it, the same everywhere."""
        session = self.session(options, device, precision)
        noise = torch.randn(1, 3, *session.size, generator=torch.Generator().manual_seed(1))
        picture = resize(session.content.cpu(), session.size) + 0.1 * noise
        at = session.evaluate()(picture.clamp(0.0, 1.0).to(session.device))
        return Evaluation(at.loss, at.gradient.detach().cpu().double(), at.terms)

    def painted(self, options: Mapping[str, Any], device: str, precision: str) -> Tensor:
        """A picture of a few steps."""
        session = self.session({**options, "steps": 12}, device, precision)
        *_, last = session
        return session.result(last).image


def differences(there: Evaluation, here: Evaluation) -> dict[str, float]:
    """How far an evaluation is from the one on the processor."""
    a, b = there.gradient.flatten(), here.gradient.flatten()
    terms = [abs(there.terms[name] - value) / (abs(value) + 1e-12) for name, value in here.terms.items()]
    return {
        "loss": abs(there.loss - here.loss) / (abs(here.loss) + 1e-12),
        "worst_term": max(terms),
        "cosine": float(a @ b / (a.norm() * b.norm() + 1e-300)),
        "gradient": float((a - b).norm() / (b.norm() + 1e-300)),
    }


def check(
    bench: Bench, options: Mapping[str, Any], guarded: Callable[[Callable[[], Any]], Any]
) -> dict[str, Any]:
    """One case in every arithmetic: differences, and "beyond" where the bars are passed; errors as text."""
    here = guarded(lambda: bench.evaluated(options, "cpu", "fp32"))
    if isinstance(here, str):
        return {"cpu": here}
    found: dict[str, Any] = {}
    for kind, (most, least) in BARS.items():
        there = guarded(
            lambda kind=kind: bench.evaluated(options, bench.device, precision(kind, bench.device))
        )
        if isinstance(there, str):
            found[kind] = there
            continue
        found[kind] = differences(there, here)
        # Not a number is beyond every bar.
        found[kind]["beyond"] = not (found[kind]["loss"] <= most and found[kind]["cosine"] >= least)
    return found


def compare_painted(bench: Bench, options: Mapping[str, Any]) -> dict[str, float]:
    """Grey levels of 255 between pictures of twelve steps, on average and at most."""
    there, here = (bench.painted(options, device, "fp32") for device in (bench.device, "cpu"))
    off = 255.0 * (there - here).abs()
    return {"mean": float(off.mean()), "most": float(off.max())}
