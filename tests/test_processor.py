"""What a processor is called and may use, on this machine and on others as their systems describe them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from impasto import processor as module
from impasto.processor import Processor, acting_as, processor

pytestmark = pytest.mark.processor

DESCRIBED = {
    "zen": (
        "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 33\n"
        "model name\t: AMD Ryzen 7 5800X 8-Core Processor\nstepping\t: 2\n\nprocessor\t: 1\nmodel\t\t: 99\n",
        ("AMD Ryzen 7 5800X 8-Core Processor", "AuthenticAMD/25/33/2"),
    ),
    "pi": (
        "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n"
        "CPU architecture: 8\nCPU variant\t: 0x4\nCPU part\t: 0xd0b\nCPU revision\t: 1\n\n"
        "Model\t\t: Raspberry Pi 5 Model B Rev 1.0\n",
        ("", "0x41/8/0x4/0xd0b/1"),
    ),
    "power": ("processor\t: 0\ncpu\t\t: POWER9, altivec supported\n", ("POWER9, altivec supported", "")),
    "empty": ("", ("", "")),
    "binary": ("\udcff\udcfe: :\n::\n", ("", "")),
}


@pytest.mark.parametrize("which", DESCRIBED)
def test_linux_describes(which: str, tmp_path: Path) -> None:
    text, expected = DESCRIBED[which]
    path = tmp_path / "cpuinfo"
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert module._from_cpuinfo(path) == expected


def test_where_nothing_is_described(tmp_path: Path) -> None:
    assert module._from_cpuinfo(tmp_path / "none") == ("", "")


@pytest.mark.parametrize("system", ["linux", "darwin", "freebsd14"])
def test_every_system_has_some_name(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", system)
    module.identity.cache_clear()
    name, _ = module.identity()
    monkeypatch.undo()
    module.identity.cache_clear()
    assert name and name == name.strip()


def test_macos_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        known = {"machdep.cpu.brand_string": "Apple M2 Pro\n", "hw.model": "Mac14,12\n"}
        return subprocess.CompletedProcess(command, 0, known[command[-1]], "")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", asked)
    module.identity.cache_clear()
    found = module.identity()
    monkeypatch.undo()
    module.identity.cache_clear()
    assert found == ("Apple M2 Pro", "Mac14,12")


def test_this_one() -> None:
    here = processor()
    assert here.name
    assert here.threads == torch.get_num_threads()
    assert str(here).startswith(here.name)
    assert str(here).endswith(("thread)", "threads)"))


def test_the_number_of_threads_is_the_present_one() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert processor().threads == 2
    finally:
        torch.set_num_threads(before)


def test_acting_as_another_ends_with_the_block() -> None:
    here = processor()
    other = Processor("Abacus", "", (), bfloat16=not here.bfloat16, threads=1)
    with pytest.raises(ZeroDivisionError), acting_as(other):
        assert processor() is other
        with acting_as(replace(other, threads=3)) as third:
            assert processor() is third
        assert processor() is other
        raise ZeroDivisionError
    assert processor() == here


@pytest.mark.parametrize(
    ("aten", "onednn", "stay"),
    [
        ("AVX512", "", {"AVX2", "AVX-512", "AVX512-BF16", "AMX-BF16"}),
        ("AVX512", "DEFAULT", {"AVX2", "AVX-512", "AVX512-BF16", "AMX-BF16"}),
        ("AVX512", "AVX512_CORE_BF16", {"AVX2", "AVX-512", "AVX512-BF16"}),
        ("AVX512", "avx512_core", {"AVX2", "AVX-512"}),
        ("AVX512", "AVX2", {"AVX2"}),
        ("AVX2", "", {"AVX2"}),
        ("DEFAULT", "", set()),
        ("AVX512", "SSE41", set()),
        ("NO AVX", "unheard of", {"AVX2", "AVX-512", "AVX512-BF16", "AMX-BF16"}),
    ],
)
def test_limits_set_from_outside(aten: str, onednn: str, stay: set[str]) -> None:
    every = {"AVX2", "AVX-512", "AVX512-BF16", "AMX-BF16"}
    assert every - module._disabled(aten, onednn) == stay


def _said(*lines: str, **limits: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(("from impasto.processor import processor", *lines))],
        env={**os.environ, **limits},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_a_process_that_is_limited_sees_less() -> None:
    says = ("here = processor()", "print(*here.extensions)", "print(here.bfloat16)")
    *extensions, bfloat16 = _said(*says, ONEDNN_MAX_CPU_ISA="SSE41", ATEN_CPU_CAPABILITY="default")
    assert not {"AVX2", "AVX-512", "AVX512-BF16"} & set(extensions)
    assert bfloat16 == "False" or torch.__version__ < "2.8"  # earlier versions asked the processor itself


def test_without_the_functions_of_newer_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    asks = {name: getattr(torch.cpu, f"_is_{name}_supported") for name in ("avx2", "avx512", "avx512_bf16")}
    for name, answer in {name: ask() for name, ask in asks.items()}.items():
        monkeypatch.setattr(torch.cpu, f"_is_{name}_supported", lambda answer=answer: answer)
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    module._extensions.cache_clear()
    older = module._extensions()
    monkeypatch.undo()
    module._extensions.cache_clear()
    both = {"AVX2", "FMA", "AVX-512", "AVX512-BF16", "NEON"}
    assert both & set(older) == both & set(module._extensions())


def test_the_name_needs_no_torch() -> None:
    says = ("import sys", "from impasto.processor import identity", "print(identity()[0] != '')")
    assert _said(*says, "print('torch' in sys.modules)") == ["True", "False"]
