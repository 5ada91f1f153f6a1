"""What this machine computes with: device, number type, memory."""

from __future__ import annotations

import sys
from collections.abc import Collection

import torch

from impasto.assembly import bfloat16
from impasto.errors import ParameterError
from impasto.processor import processor
from impasto.recipes.recipe import Recipe

# bfloat16 has fewer digits: it is chosen only where it is clearly faster.
_MIN_SPEEDUP = 1.05


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" chooses a GPU if there is one.

    Raises:
        ParameterError: this machine has no such device.
    """
    available = _devices()
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if device in available)
    if name not in available:
        raise ParameterError(f"device: expected one this machine has ({', '.join(available)}), got {name!r}")
    return torch.device(name)


def _devices() -> list[str]:
    found = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    gpus = torch.cuda.device_count() if found["cuda"] else 0
    names = [device for device, is_available in found.items() if is_available]
    return [*names, *(f"cuda:{number}" for number in range(gpus))]


def choose_precision(name: str, device: torch.device, *, exact: bool) -> tuple[torch.dtype, str]:
    """The network's number type, and the precision's name ("fp32", "tf32" or "bf16").

    "auto" chooses bfloat16 where it is faster than float32 on this device, and float32 otherwise.

    Args:
        exact: "auto" always chooses float32.

    Raises:
        ParameterError: the device does not support that number type.
    """
    if not _computes(device, name):
        missing = f"{_display_name(device)} has no {_TYPE_NAMES[name]}"
        raise ParameterError(f"precision: expected auto or fp32, since {missing}, got {name!r}")
    if name == "bf16" or (name == "auto" and not exact and _bfloat16_is_faster(device)):
        return torch.bfloat16, "bf16"
    return torch.float32, "tf32" if name == "tf32" else "fp32"


def adapt_to_machine(recipe: Recipe, *, asked: Collection[str]) -> tuple[Recipe, tuple[str, ...]]:
    """A saved recipe with a device and a number type that this machine supports.

    A recipe records the device and precision of the machine where it was first painted. A run can be resumed on any
    machine; on another one the result differs in details that are hard to see.

    Args:
        asked: names of settings that the caller gave explicitly. They are not replaced, and may be refused later.

    Returns:
        the recipe; one line for each replaced setting.
    """
    notes = []
    if recipe.device not in ("auto", *_devices()) and "device" not in asked:
        replacement = choose_device("auto")
        notes.append(f"device: this machine has no {recipe.device}; using {replacement} instead")
        recipe = recipe.model_copy(update={"device": "auto"})
    if "precision" not in asked and recipe.device in ("auto", *_devices()):
        device = choose_device(recipe.device)
        if not _computes(device, recipe.precision):
            notes.append(
                f"precision: {_display_name(device)} has no {_TYPE_NAMES[recipe.precision]}; using float32 instead"
            )
            recipe = recipe.model_copy(update={"precision": "fp32"})
    return recipe, tuple(notes)


def _display_name(device: torch.device) -> str:
    """The device's model name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return processor().name if device.type == "cpu" else device.type


_TYPE_NAMES = {"bf16": "bfloat16", "tf32": "TF32"}
"""Number types that only some devices support."""


def _computes(device: torch.device, precision: str) -> bool:
    if precision == "bf16":
        return _has_bfloat16(device)
    # TF32: NVIDIA GPUs since Ampere.
    return precision != "tf32" or (
        device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    )


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "mps":
        return torch.backends.mps.is_macos_or_newer(14, 0)
    return processor().bfloat16


def _bfloat16_is_faster(device: torch.device) -> bool:
    if device.type == "cpu":
        speed = bfloat16.speed()
        return speed is not None and speed > _MIN_SPEEDUP
    # A GPU with native bfloat16 multiplies it at least twice as fast. Not measured on a Mac's GPU yet.
    return device.type == "cuda" and _has_bfloat16(device)


def peak_memory(device: torch.device) -> int:
    """Peak memory so far, in bytes: of PyTorch's allocator for CUDA, of this process otherwise."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    else:  # noqa: RET505  # mypy checks this branch only on systems with ``resource``
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
