"""Finds and loads the compiled kernels for this CPU, and runs them on as many threads as torch uses."""

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
"""torch's CPU capability (which ATEN_CPU_CAPABILITY can lower) -> vector instructions, the widest first."""


class Library:
    """The kernels compiled for one kind of vector instructions.

    Attributes:
        extension: "avx512", "avx2" or "neon".
        lanes: floats in a vector; the number of channels of every map must be a multiple.
        panel: output channels that a matrix product computes at a time; the number of filters must be a multiple.
        rows: rows that a matrix product computes at a time; the number of tiles in a block must be a multiple.
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
        """Call a C function of integers that returns an integer."""
        function = self._loaded[name]
        function.argtypes = [ctypes.c_longlong] * len(arguments)
        function.restype = ctypes.c_longlong
        return int(function(*arguments))

    def run(self, name: str, job: ctypes.Structure, scratch: int = 0) -> None:
        """Run a kernel on every thread; the threads divide the work with the shared counter ``job.next``.

        Args:
            name: name of the C function; its arguments are the job and the thread's scratch memory.
            job: its pointers must stay valid until this returns; ``next`` is set here.
            scratch: size of each thread's scratch memory, in floats.
        """
        threads = torch.get_num_threads()
        buffers = [scratch_buffer(scratch, 1 + number) for number in range(threads)]
        counter = ctypes.c_longlong(0)
        job.next = ctypes.addressof(counter)
        addresses = (ctypes.c_void_p * threads)(*(each.data_ptr() for each in buffers))
        kernel = ctypes.cast(self._loaded[name], ctypes.c_void_p)
        team = Team(kernel, ctypes.addressof(job), ctypes.addressof(addresses), 0)
        _run_on_threads(self._join, ctypes.addressof(team), threads)


class Team(ctypes.Structure):
    """The threads that run one kernel; the layout is that of ``Team`` in ``team.c``."""

    _fields_ = (
        ("kernel", ctypes.c_void_p),
        ("job", ctypes.c_void_p),
        ("scratch", ctypes.c_void_p),
        ("started", ctypes.c_longlong),
    )


def _run_on_threads(join: Any, team: int, threads: int) -> None:
    """Call ``join(team)`` on that many threads at the same time, including the current thread."""
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
    """``GOMP_parallel`` of the OpenMP library that torch uses; None if torch uses another library.

    After each parallel region, OpenMP's threads spin for some milliseconds. Separate threads would compete with the
    spinning ones for the cores, which took a tenth of an evaluation's time.
    """
    try:
        found = ctypes.CDLL(None).GOMP_parallel
    except (OSError, AttributeError, TypeError):
        return None
    found.argtypes, found.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None
    return found


def library() -> Library | None:
    """The fastest kernels that this CPU can run, within torch's CPU capability; None if there are none."""
    return next(iter(libraries()), None)


def libraries() -> tuple[Library, ...]:
    """All kernels that this CPU can run, the widest vectors first."""
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
            except (OSError, AttributeError):  # built for another system, or by another version
                continue
    return tuple(sorted(found, key=lambda each: -each.lanes))


@functools.lru_cache(maxsize=1)
def _helpers(process: int, count: int) -> ThreadPoolExecutor:
    """The helper threads of the calling thread. Cached per process, since a fork does not copy threads."""
    return ThreadPoolExecutor(count, thread_name_prefix="impasto-kernels")


_thread_local = threading.local()


def scratch_buffer(size: int, number: int = 0) -> Tensor:
    """Scratch memory of at least ``size`` floats, reused between calls of a thread to avoid page faults.

    Args:
        number: identifies the buffer; buffers that are in use at the same time need different numbers.
    """
    buffers: dict[int, Tensor] = _thread_local.__dict__.setdefault("buffers", {})
    if number not in buffers or buffers[number].numel() < size:
        buffers.pop(number, None)
        buffers[number] = torch.zeros(size)
    return buffers[number]


def address(tensor: Tensor | None) -> int | None:
    """The address of a tensor's values, for a job."""
    return None if tensor is None else tensor.data_ptr()


def rows_of(x: Tensor) -> Tensor:
    """``x`` (N, C, H, W) as channels last with contiguous rows: itself if it fits, else a copy."""
    strides: Any = x.stride()
    fits = strides[1] == 1 and strides[3] == x.shape[1] and strides[2] >= x.shape[1] * x.shape[3]
    return x if fits else x.contiguous(memory_format=torch.channels_last)
