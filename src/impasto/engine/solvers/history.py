"""Storage for the curvature pairs of L-BFGS, read and written in bands: in memory, in half precision, or in a file.

Uncompressed, the pairs would be the largest allocation for a large picture: twenty pairs are 480 bytes a pixel. An
iteration needs only two passes over them, so slow storage is acceptable.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from typing import IO, Literal

import torch
from torch import Tensor

from impasto.engine.solvers.state import Chunked, flat
from impasto.errors import OutputError

Storage = Literal["full", "half", "file"]

# Values per band: of one row on the CPU, where 41 rows of that many floats fit the caches of two cores; of all rows
# together on a GPU, which is faster with few kernel launches and converts half precision into at most a gigabyte.
_ON_CPU, _ON_GPU = 1 << 16, 1 << 28

_HALF = {torch.float64: torch.float32, torch.float32: torch.float16}


class HistoryBuffer:
    """Rows of ``like.numel()`` values each; the caller tracks which rows are in use.

    Args:
        rows: number of rows.
        like: a tensor with the length of a row and the dtype and device of the computation.
        storage: "full" stores that dtype; "half" stores half as many bits, scaled to the largest entry of each band;
            "file" is the same in a temporary file, which is deleted with the object.
    """

    def __init__(self, rows: int, like: Tensor, *, storage: Storage) -> None:
        self.rows = rows
        self._dtype = like.dtype
        self._device = like.device
        self._stored_dtype = like.dtype if storage == "full" else _HALF[like.dtype]
        size, length = _ON_CPU if like.device.type == "cpu" else max(_ON_CPU, _ON_GPU // rows), like.numel()
        self._size = size
        self.bands = [slice(first, min(first + size, length)) for first in range(0, length, size)]
        # Band-major: one band of several rows is one matrix, or one contiguous range of the file.
        self._file: IO[bytes] | None = None
        self._values: list[Tensor] = []
        if storage == "file":
            self._file = tempfile.TemporaryFile(prefix="impasto-")  # noqa: SIM115  # closed by the finalizer
            weakref.finalize(self, self._file.close)
        else:
            # Pages that are never written take no physical memory.
            self._values = [
                torch.empty(rows, band.stop - band.start, dtype=self._stored_dtype, device=self._device)
                for band in self.bands
            ]
        # On the device of the computation, which avoids synchronising with a GPU for each scale.
        self._scales = torch.ones(len(self.bands), rows, dtype=like.dtype, device=like.device)

    def read(self, band: int, rows: int) -> Tensor:
        """The first ``rows`` rows of a band, (rows, values), in the dtype of the computation."""
        values = self._values[band][:rows] if self._file is None else self._from_file(self._file, band, rows)
        if self._stored_dtype == self._dtype:
            return values
        return values.to(device=self._device, dtype=self._dtype).mul_(self._scales[band, :rows, None])

    def write(self, band: int, row: int, values: Tensor) -> None:
        """Replace one row of a band."""
        if self._stored_dtype != self._dtype:
            largest = values.abs().max()
            scale = torch.where(largest == 0.0, torch.ones_like(largest), largest)
            self._scales[band, row] = scale
            values = (values / scale).to(self._stored_dtype)
        if self._file is None:
            self._values[band][row] = values
            return
        self._to_file(self._file, band, row, values)

    def _to_file(self, file: IO[bytes], band: int, row: int, values: Tensor) -> None:
        try:
            file.seek(self._offset(band, row))
            file.write(values.cpu().contiguous().numpy().data)
        except OSError as error:
            raise OutputError(
                f"{tempfile.gettempdir()}: cannot write the curvature pairs of L-BFGS "
                f"({error.strerror or error}); set TMPDIR to another folder, "
                "or history_memory = 0 in the recipe to store them in memory"
            ) from None

    def _from_file(self, file: IO[bytes], band: int, rows: int, *, first: int = 0) -> Tensor:
        length = self.bands[band].stop - self.bands[band].start
        values = torch.zeros(rows, length, dtype=self._stored_dtype)
        file.seek(self._offset(band, first))
        file.readinto(values.numpy().data)  # type: ignore[attr-defined]  # every binary file has readinto()
        return values

    def _offset(self, band: int, row: int) -> int:
        length = self.bands[band].stop - self.bands[band].start
        return (self.bands[band].start * self.rows + row * length) * self._stored_dtype.itemsize

    def state(self, rows: int) -> dict[str, Tensor | Chunked]:
        """The first ``rows`` rows as stored, (rows, values), for :meth:`restore`."""
        band = torch.tensor(self._size)
        return {"values": _Rows(self, rows), "scales": self._scales[:, :rows], "band": band}

    def restore(self, values: Tensor | Chunked, scales: Tensor, band: Tensor) -> None:
        """Restore a :meth:`state`, also one from a device with other bands."""
        source, (rows, length) = flat(values), values.shape
        scales = scales.to(self._device, self._dtype)
        same = int(band) == self._size
        if same:
            self._scales[:, :rows] = scales
        for row in range(rows):
            for number, each in enumerate(self.bands):
                stored = source[row * length + each.start : row * length + each.stop]
                if not same:
                    source_band = torch.arange(each.start, each.stop, device=self._device) // int(band)
                    converted = stored.to(device=self._device, dtype=self._dtype) * scales[source_band, row]
                    self.write(number, row, converted)
                elif self._file is None:
                    self._values[number][row] = stored
                else:
                    self._to_file(self._file, number, row, stored)


class _Rows:
    """The first rows of a buffer as one matrix, :class:`Chunked`: a chunk is one band of one row."""

    def __init__(self, buffer: HistoryBuffer, rows: int) -> None:
        self._buffer = buffer
        self.shape = torch.Size((rows, buffer.bands[-1].stop))
        self.dtype = buffer._stored_dtype

    def chunks(self) -> Iterator[slice]:
        length = self.shape[1]
        for row in range(self.shape[0]):
            for band in self._buffer.bands:
                yield slice(row * length + band.start, row * length + band.stop)

    def __getitem__(self, chunk: slice, /) -> Tensor:
        buffer = self._buffer
        row, first = divmod(chunk.start, self.shape[1])
        band = first // buffer.bands[0].stop
        if buffer._file is None:
            values: Tensor = buffer._values[band][row]
        else:
            values = buffer._from_file(buffer._file, band, 1, first=row)[0]
        return values
