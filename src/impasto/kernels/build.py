"""Compiles the C files of this folder, once for each kind of CPU.

The build hook (``hatch_build.py``) calls this module when the package is built or installed, so it imports nothing
from the package. The compiler is Zig's (``pip install ziglang``), which can compile for every system, or the one in
the environment variable CC.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
SOURCES = ("winograd.c", "pooling.c", "moments.c", "team.c")
_FLAGS = (
    "-O3",
    "-shared",
    "-fPIC",
    "-fvisibility=hidden",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-Wall",
    "-Wextra",
)


@dataclass(frozen=True)
class Target:
    """A kind of machine to compile for.

    Attributes:
        system: "linux", "darwin" or "windows".
        machine: "x86_64" or "arm64".
        extension: the vector instructions used: "avx2", "avx512" or "neon".
    """

    system: str
    machine: str
    extension: str

    @property
    def file(self) -> str:
        """The file name of the library."""
        suffix = {"linux": "so", "darwin": "dylib", "windows": "dll"}[self.system]
        return f"kernels-{self.system}-{self.machine}-{self.extension}.{suffix}"

    @property
    def triple(self) -> str:
        """Zig's name of the target."""
        machine = {"arm64": "aarch64"}.get(self.machine, self.machine)
        return f"{machine}-{ {'linux': 'linux-gnu.2.17', 'darwin': 'macos', 'windows': 'windows-gnu'}[self.system] }"

    @property
    def processor(self) -> str:
        """A CPU with the vector instructions, by its compiler name; "" if every CPU of the machine has them."""
        return {"avx2": "haswell", "avx512": "skylake-avx512"}.get(self.extension, "")


TARGETS = tuple(
    Target(system, machine, extension)
    for system in ("linux", "darwin", "windows")
    for machine, extension in (("x86_64", "avx2"), ("x86_64", "avx512"), ("arm64", "neon"))
    if (system, machine) != ("windows", "arm64")
)
"""All supported kinds of machine."""


def here() -> tuple[Target, ...]:
    """The targets of this system and machine, whether or not its CPU has the vector instructions."""
    machine = platform.machine().lower()
    machine = {"amd64": "x86_64", "aarch64": "arm64"}.get(machine, machine)
    system = platform.system().lower()
    return tuple(each for each in TARGETS if (each.system, each.machine) == (system, machine))


def compile_for(targets: Sequence[Target], folder: Path = FOLDER) -> Iterator[Path]:
    """Compile the library of each target into ``folder``; each file is replaced atomically.

    Yields:
        the path of each library.

    Raises:
        OSError: there is no compiler, or the folder is not writable.
        subprocess.CalledProcessError: the compiler failed; its messages are in ``stderr``.
    """
    with tempfile.TemporaryDirectory() as scratch:
        for target in targets:
            made = Path(scratch) / target.file
            sources = [str(FOLDER / source) for source in SOURCES]
            command = [*_compiler(target), *_FLAGS, "-o", str(made), *sources]
            environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": scratch, "ZIG_LOCAL_CACHE_DIR": scratch}
            subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            partial = folder / f"{target.file}.{os.getpid()}.partial"
            partial.write_bytes(made.read_bytes())
            partial.replace(folder / target.file)
            yield folder / target.file


def _compiler(target: Target) -> list[str]:
    """The compiler command, without the flags that are the same for every compiler."""
    if chosen := os.environ.get("CC"):
        return [*shlex.split(chosen), *([f"-march={target.processor}"] if target.processor else [])]
    cpu = [f"-mcpu={target.processor.replace('-', '_')}"] if target.processor else []
    return [sys.executable, "-m", "ziglang", "cc", "-target", target.triple, *cpu, "-s"]
