"""What this machine computes with: device, number type, memory."""

from __future__ import annotations

import sys
from collections.abc import Collection

import torch

from impasto.assembly import bfloat16
from impasto.errors import ParameterError
from impasto.processor import processor
from impasto.recipes.recipe import Recipe

# Of two number types about as fast, the one with more digits.
_MIN_SPEEDUP = 1.05


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" takes a GPU if there is one.

    Raises:
        ParameterError: the device is not there.
    """
    there = _devices()
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if device in there)
    if name not in there:
        raise ParameterError(f"device: expected one this machine has ({', '.join(there)}), got {name!r}")
    return torch.device(name)


def _devices() -> list[str]:
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return [device for device, is_there in there.items() if is_there]


def choose_precision(name: str, device: torch.device, *, exact: bool) -> tuple[torch.dtype, str]:
    """The number type of the network, and its name.

    "auto" takes bfloat16 where the network computes faster in it than in float32, unless ``exact`` is asked for.

    Raises:
        ParameterError: the device does not compute in that type.
    """
    if not _computes(device, name):
        missing = f"{_display_name(device)} has no {_TYPE_NAMES[name]}"
        raise ParameterError(f"precision: expected auto or fp32, since {missing}, got {name!r}")
    if name == "bf16" or (name == "auto" and not exact and _bfloat16_is_faster(device)):
        return torch.bfloat16, "bf16"
    return torch.float32, "tf32" if name == "tf32" else "fp32"


def adapt_to_machine(recipe: Recipe, *, asked: Collection[str]) -> tuple[Recipe, tuple[str, ...]]:
    """A recipe that was written down, perhaps elsewhere, with a device and a number type that this machine has.

    A recipe says what "auto" came to where it was first painted, and any run can be gone on with on any machine. The
    picture is another one then, in details that are hard to see.

    Args:
        asked: settings that were given here and now. They stay as they are, to be refused if need be.

    Returns:
        the recipe; what was changed in it, one line each.
    """
    notes = []
    if recipe.device not in ("auto", *_devices()) and "device" not in asked:
        here = choose_device("auto")
        notes.append(f"device: this machine has no {recipe.device}; {here} in its place")
        recipe = recipe.model_copy(update={"device": "auto"})
    if "precision" not in asked and recipe.device in ("auto", *_devices()):
        device = choose_device(recipe.device)
        if not _computes(device, recipe.precision):
            notes.append(
                f"precision: {_display_name(device)} has no {_TYPE_NAMES[recipe.precision]}; float32 in its place"
            )
            recipe = recipe.model_copy(update={"precision": "fp32"})
    return recipe, tuple(notes)


def _display_name(device: torch.device) -> str:
    """The device, as people know it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return processor().name if device.type == "cpu" else device.type


_TYPE_NAMES = {"bf16": "bfloat16", "tf32": "TF32"}
"""Number types that not every device computes in."""


def _computes(device: torch.device, precision: str) -> bool:
    if precision == "bf16":
        return _has_bfloat16(device)
    # Of NVIDIA's, those since Ampere.
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
    # A GPU that multiplies bfloat16 does so at least twice as fast. On a Mac's nothing has been measured yet.
    return device.type == "cuda" and _has_bfloat16(device)


def peak_memory(device: torch.device) -> int:
    """The most memory used so far, in bytes: of the GPU's allocator, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    else:  # noqa: RET505  # so that what follows is checked for the systems that have it
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
