"""The build hook: compiles the kernels for this kind of machine, or for every kind with IMPASTO_TARGETS=all."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

KERNELS = "src/impasto/kernels"


class KernelsHook(BuildHookInterface[Any]):
    """Puts the compiled kernels beside their sources, into the checkout as well as into a wheel."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What compiles them: Zig's C compiler, unless CC names another."""
        return [] if os.environ.get("CC") or self.target_name != "wheel" else ["ziglang==0.17.1"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles; a machine that there are no kernels for, or that cannot compile, gets a package without."""
        if self.target_name != "wheel":
            return
        build = _build_module(Path(self.root) / KERNELS / "build.py")
        everything = os.environ.get("IMPASTO_TARGETS") == "all"
        try:
            made = list(build.compile_for(build.TARGETS if everything else build.here()))
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", None) or str(error)
            self.app.display_warning(
                f"the kernels were not compiled, and torch's are used: {said.strip()[-2000:]}"
            )
            made = []
        for path in made if version != "editable" else []:
            build_data["force_include"][str(path)] = f"impasto/kernels/{path.name}"
        if made and not everything:
            system = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"py3-none-{system}"


def _build_module(path: Path) -> ModuleType:
    """``impasto.kernels.build``, which needs nothing of the package's."""
    found = importlib.util.spec_from_file_location("impasto_kernels_build", path)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module
