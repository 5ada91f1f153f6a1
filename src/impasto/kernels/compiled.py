"""The compiled kernels of this processor: found, loaded, and run on as many threads as torch uses."""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from impasto.kernels.build import FOLDER, here

_EXTENSIONS = {"AVX512": ("avx512", "avx2"), "AVX2": ("avx2",)}
"""What torch says that the processor can do, and it is told to use -> vector instructions, the widest first."""


class Library:
    """The kernels compiled for one kind of vector instructions.

    Attributes:
        extension: "avx512", "avx2" or "neon".
        lanes: floats in a vector; channels of every map are a multiple.
        panel: outputs that a convolution finds at a time; its filters are a multiple.
        rows: tiles that it finds at a time; blocks of tiles are a multiple.
    """

    def __init__(self, extension: str, path: str) -> None:
        self.extension = extension
        self._loaded = ctypes.CDLL(path)
        self._join = self._loaded.impasto_join
        self._join.argtypes, self._join.restype = [ctypes.c_void_p], None
        self.lanes = self.number("impasto_lanes")
        self.panel = self.number("impasto_panel")
        self.rows = self.number("impasto_rows")

    def number(self, name: str, *arguments: int) -> int:
        """What a function of integers returns."""
        function = self._loaded[name]
        function.argtypes = [ctypes.c_longlong] * len(arguments)
        function.restype = ctypes.c_longlong
        return int(function(*arguments))

    def run(self, name: str, job: ctypes.Structure, scratch: int = 0) -> None:
        """Runs a kernel on every thread; they share the work by the counter ``job.next``.

        Args:
            name: of the function, which is given the job and the thread's own memory.
            job: its fields point to memory that stays until this returns; ``next`` is filled in.
            scratch: floats that each thread works in.
        """
        threads = torch.get_num_threads()
        own = [kept(scratch, 1 + number) for number in range(threads)]
        counter = ctypes.c_longlong(0)
        job.next = ctypes.addressof(counter)
        where = (ctypes.c_void_p * threads)(*(each.data_ptr() for each in own))
        kernel = ctypes.cast(self._loaded[name], ctypes.c_void_p)
        team = Team(kernel, ctypes.addressof(job), ctypes.addressof(where), 0)
        _together(self._join, ctypes.addressof(team), threads)


class Team(ctypes.Structure):
    """What ``team.c`` gives to each thread."""

    _fields_ = (
        ("kernel", ctypes.c_void_p),
        ("job", ctypes.c_void_p),
        ("scratch", ctypes.c_void_p),
        ("started", ctypes.c_longlong),
    )


def _together(join: Any, team: int, threads: int) -> None:
    """Calls ``join(team)`` on so many threads at once, this one among them."""
    if threads == 1:
        join(team)
    elif (parallel := _openmp()) is not None:
        parallel(join, team, threads, 0)
    else:
        helpers = _helpers(os.getpid(), threads - 1)
        others = [helpers.submit(join, team) for _ in range(threads - 1)]
        join(team)
        for other in others:
            other.result()


@functools.cache
def _openmp() -> Any:
    """``GOMP_parallel`` of the OpenMP library that torch computes with, or None where it has another.

    Its threads wait for more work of torch's for some milliseconds, busily; threads of our own would have to share
    the cores with them, which took a tenth of an evaluation's time.
    """
    try:
        found = ctypes.CDLL(None).GOMP_parallel
    except (OSError, AttributeError, TypeError):
        return None
    found.argtypes, found.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None
    return found


def library() -> Library | None:
    """The fastest kernels that this processor can run, as far as torch is let use it; None where there are none."""
    return next(iter(libraries()), None)


def libraries() -> tuple[Library, ...]:
    """All that it can run, the widest vectors first."""
    return _all(torch.backends.cpu.get_cpu_capability())


@functools.cache
def _all(capability: str) -> tuple[Library, ...]:
    wanted = _EXTENSIONS.get(capability, ())
    found = []
    for target in here():
        path = FOLDER / target.file
        if (target.extension in wanted or target.extension == "neon") and path.exists():
            try:
                found.append(Library(target.extension, str(path)))
            except (OSError, AttributeError):  # made for another system, or by another version
                continue
    return tuple(sorted(found, key=lambda each: -each.lanes))


@functools.lru_cache(maxsize=1)
def _helpers(process: int, count: int) -> ThreadPoolExecutor:
    """Threads that share a kernel's work with the one that asks; a forked process has none of its parent's."""
    return ThreadPoolExecutor(count, thread_name_prefix="impasto-kernels")


_kept = threading.local()


def kept(size: int, number: int = 0) -> Tensor:
    """So many floats to work in, kept between calls for the thread that asks: fresh memory costs as much as the work.

    Args:
        number: tells apart what is needed at the same time.
    """
    buffers: dict[int, Tensor] = _kept.__dict__.setdefault("buffers", {})
    if number not in buffers or buffers[number].numel() < size:
        buffers.pop(number, None)
        buffers[number] = torch.zeros(size)
    return buffers[number]


def address(tensor: Tensor | None) -> int | None:
    """Where a tensor's values are, for a job."""
    return None if tensor is None else tensor.data_ptr()


def rows_of(x: Tensor) -> Tensor:
    """``x`` (N, C, H, W) so that pixels of a row stand side by side, channels last: itself, or a copy."""
    strides: Any = x.stride()
    fits = strides[1] == 1 and strides[3] == x.shape[1] and strides[2] >= x.shape[1] * x.shape[3]
    return x if fits else x.contiguous(memory_format=torch.channels_last)
