"""This machine's processor and the instruction set extensions that PyTorch may use on it.

The extensions do not predict speed; :mod:`impasto.measured` measures it.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

# Extensions that matter for convolutions: name in torch.cpu.get_capabilities() -> common name.
_EXTENSIONS = {
    "avx2": "AVX2",
    "fma3": "FMA",
    "avx_ne_convert": "AVX-NE-CONVERT",
    "avx512_f": "AVX-512",
    "avx512_bf16": "AVX512-BF16",
    "amx_bf16": "AMX-BF16",
    "neon": "NEON",
    "sve": "SVE",
    "bf16": "BF16",
}
_AVX512 = frozenset({"AVX-512", "AVX512-BF16", "AMX-BF16"})
_AVX2 = frozenset({"AVX2", "FMA", "AVX-NE-CONVERT"})
# Extensions that a value of ATEN_CPU_CAPABILITY or ONEDNN_MAX_CPU_ISA disables; values not listed disable none.
_BEYOND_ATEN = {"default": _AVX2 | _AVX512, "avx2": _AVX512}
_BEYOND_ONEDNN = {
    "sse41": _AVX2 | _AVX512,
    "avx": _AVX2 | _AVX512,
    "avx2": _AVX512 | {"AVX-NE-CONVERT"},
    "avx2_vnni": _AVX512 | {"AVX-NE-CONVERT"},
    "avx2_vnni_2": _AVX512,
    "avx512_core": frozenset({"AVX512-BF16", "AMX-BF16"}),
    "avx512_core_vnni": frozenset({"AVX512-BF16", "AMX-BF16"}),
    "avx512_core_bf16": frozenset({"AMX-BF16"}),
}


@dataclass(frozen=True)
class Processor:
    """A processor, as far as PyTorch may use it.

    Attributes:
        name: the vendor's name, such as "AMD Ryzen 7 5800X 8-Core Processor".
        model: distinguishes processors of the same name, such as those of virtual machines; may be empty.
        extensions: the enabled vector and matrix extensions, such as ("AVX2", "FMA").
        bfloat16: whether oneDNN supports convolutions in bfloat16, possibly slower than in float32.
        threads: number of PyTorch's threads.
    """

    name: str
    model: str
    extensions: tuple[str, ...]
    bfloat16: bool
    threads: int

    def __str__(self) -> str:
        """Name, extensions and threads, in one line."""
        threads = f"{self.threads} thread{'s' if self.threads != 1 else ''}"
        return f"{self.name} ({', '.join([*self.extensions, threads])})"


_overrides: list[Processor] = []


def processor() -> Processor:
    """This machine's processor, or the one that :func:`acting_as` sets."""
    if _overrides:
        return _overrides[-1]
    import torch

    name, model = identity()
    return Processor(
        name=name,
        model=model,
        extensions=_extensions(),
        bfloat16=_computes_bfloat16(),
        threads=torch.get_num_threads(),
    )


@contextmanager
def acting_as(other: Processor) -> Iterator[Processor]:
    """Within the block, :func:`processor` returns ``other``, in every thread, so that tests cover other machines.

    It affects only code that reads :func:`processor`, not the machine's capabilities.
    """
    _overrides.append(other)
    try:
        yield other
    finally:
        _overrides.pop()


if sys.platform == "win32":
    import winreg

    def _registry() -> tuple[str, str]:
        """Name and model in the Windows registry."""
        place = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, place) as key:
                name, model = (
                    winreg.QueryValueEx(key, each)[0] for each in ("ProcessorNameString", "Identifier")
                )
        except OSError:
            return "", platform.processor()
        return str(name).strip(), str(model).strip()


@lru_cache(maxsize=1)
def identity() -> tuple[str, str]:
    """Name and model of the processor, without importing PyTorch."""
    if sys.platform == "win32":
        name, model = _registry()
    elif sys.platform == "darwin":
        name, model = _sysctl("machdep.cpu.brand_string"), _sysctl("hw.model")
    else:
        name, model = _from_cpuinfo()
    return name or platform.processor() or platform.machine() or "unknown processor", model


def _from_cpuinfo(path: Path = Path("/proc/cpuinfo")) -> tuple[str, str]:
    """Name and model of the first processor in Linux's cpuinfo, whose keys depend on the architecture."""
    found: dict[str, str] = {}
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return "", ""
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.strip().lower(), value.strip())
    name = next((found[key] for key in ("model name", "cpu model", "cpu", "hardware") if found.get(key)), "")
    x86 = ("vendor_id", "cpu family", "model", "stepping")
    arm = ("cpu implementer", "cpu architecture", "cpu variant", "cpu part", "cpu revision")
    keys = arm if "cpu part" in found else x86
    return name, "/".join(found[key] for key in keys if found.get(key))


def _sysctl(name: str) -> str:
    """A sysctl value of macOS; "" where it is missing."""
    try:
        done = subprocess.run(["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@lru_cache(maxsize=1)
def _extensions() -> tuple[str, ...]:
    """The extensions of the processor that the two environment variables do not disable, in the order above."""
    import torch

    if hasattr(torch.cpu, "get_capabilities"):
        there = {name for name, is_there in torch.cpu.get_capabilities().items() if is_there is True}
    else:  # before torch 2.10
        asked = {"avx2": "avx2", "avx512": "avx512_f", "avx512_bf16": "avx512_bf16", "amx_tile": "amx_bf16"}
        asks = {name: getattr(torch.cpu, f"_is_{asking}_supported", None) for asking, name in asked.items()}
        there = {name for name, is_there in asks.items() if is_there is not None and is_there()}
        there |= {"fma3"} if "avx2" in there else set()
        there |= {"neon"} if platform.machine().lower() in ("arm64", "aarch64") else set()
    disabled = _disabled(torch.backends.cpu.get_cpu_capability(), os.environ.get("ONEDNN_MAX_CPU_ISA", ""))
    return tuple(word for name, word in _EXTENSIONS.items() if name in there and word not in disabled)


def _disabled(aten: str, onednn: str) -> frozenset[str]:
    """Extensions that these values disable; an unknown value disables none."""
    none: frozenset[str] = frozenset()
    return _BEYOND_ATEN.get(aten.lower(), none) | _BEYOND_ONEDNN.get(onednn.lower(), none)


@lru_cache(maxsize=1)
def _computes_bfloat16() -> bool:
    """Whether oneDNN supports bfloat16. With AVX-512 alone it does so slowly, by converting to float32 and back."""
    import torch

    # The same check as in torch.amp. It has no public name, and is missing in builds without oneDNN.
    asks = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return bool(torch._C._has_mkldnn and asks is not None and asks())
