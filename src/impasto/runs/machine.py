"""What this machine computes with: device, number type, memory."""

from __future__ import annotations

import sys

import torch

from impasto.errors import ParameterError


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" takes a GPU if there is one.

    Raises:
        ParameterError: the device is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if there[device])
    if not there[name]:
        found = ", ".join(device for device, is_there in there.items() if is_there)
        raise ParameterError(f"device: expected one this machine has ({found}), got {name!r}")
    return torch.device(name)


def choose_precision(name: str, device: torch.device, *, exact: bool) -> tuple[torch.dtype, str]:
    """The number type of the network, and its name.

    "auto" takes bfloat16 where the processor multiplies it faster than float32, unless ``exact`` is asked for.
    """
    if name == "bf16" or (name == "auto" and not exact and _multiplies_bf16(device)):
        return torch.bfloat16, "bf16"
    return torch.float32, "fp32"


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # What torch.amp itself asks; there is no public name for it.
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def peak_memory(device: torch.device) -> int:
    """The most memory used so far, in bytes: of the GPU's allocator, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
