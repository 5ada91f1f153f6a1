"""Every module can be imported where the system is another one, and what only POSIX has is not there.

In a process of its own that takes away what the other system lacks and puts in what it has instead: so much of
Windows and macOS any machine can test. mypy looks at the rest (`make check`).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from impasto.runs.folder import RunFolder
from impasto.runs.readers import _cannot_lock

IMPORTS = """
import importlib, os, pkgutil, signal, sys, types

def modules():
    import impasto
    found = pkgutil.walk_packages(impasto.__path__, "impasto.")
    for name in sorted(each.name for each in found):
        if not name.endswith("__main__") and "-" not in name:  # compiled kernels look like modules
            importlib.import_module(name)
            yield name

count = len(list(modules()))  # whatever these import of other packages is here now
for name in [name for name in sys.modules if name.split(".")[0] == "impasto"]:
    del sys.modules[name]
sys.platform = sys.argv[1]
if sys.platform == "win32":
    for name in ("fcntl", "resource", "pwd", "grp", "termios"):
        sys.modules[name] = None
    for name in ("SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGPIPE", "SIGCHLD"):
        delattr(signal, name)
    for name in ("fork", "geteuid", "getuid", "mkfifo", "uname", "sched_getaffinity", "O_NONBLOCK", "O_DIRECTORY"):
        delattr(os, name)
    sys.modules["msvcrt"] = types.ModuleType("msvcrt")
    winreg = sys.modules["winreg"] = types.ModuleType("winreg")
    class Key:
        def __enter__(self): return self
        def __exit__(self, *error): pass
    values = {"ProcessorNameString": "Intel(R) Core(TM) i5-8250U   ", "Identifier": "Intel64 Family 6 Model 142"}
    winreg.HKEY_LOCAL_MACHINE = None
    winreg.OpenKey = lambda root, path: Key()
    winreg.QueryValueEx = lambda key, name: (values[name], 1)
assert len(list(modules())) == count > 100
from impasto.processor import identity
print(*identity(), sep="|")
"""


@pytest.mark.parametrize("system", ["win32", "darwin", "freebsd14"])
def test_every_module_is_imported(system: str) -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS, system], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    name, model = done.stdout.strip().split("|")
    assert name
    if system == "win32":
        assert (name, model) == ("Intel(R) Core(TM) i5-8250U", "Intel64 Family 6 Model 142")


def test_who_holds_a_folder_without_shared_locks(tmp_path: Path) -> None:
    """As it is found out on Windows."""
    assert not _cannot_lock(tmp_path / "run" / ".lock")
    with RunFolder(tmp_path / "run"):
        (lock,) = (tmp_path / "run").glob("*lock*")
        assert _cannot_lock(lock)
    assert not _cannot_lock(lock)
