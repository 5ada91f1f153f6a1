"""A few long vectors, worked on one band at a time: in memory, at half the precision, or in a temporary file.

What L-BFGS remembers would be the largest thing a large picture needs: twenty pairs are 480 bytes a pixel. Two passes
over it an iteration are all it takes, so it may lie where reading is slow.
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

# Values of a row at a time. 41 rows of so many floats fit the caches of two processor cores. A GPU is better off with
# few launches, and reads what it keeps at half the precision into a gigabyte.
_ON_CPU, _ON_GPU = 1 << 16, 1 << 28  # of all rows together on a GPU

_HALF = {torch.float64: torch.float32, torch.float32: torch.float16}


class HistoryBuffer:
    """Rows of ``like.numel()`` values each; which of them are in use is the caller's business.

    Args:
        rows: how many.
        like: a tensor of the type to compute in.
        storage: "full" keeps the type; "half" has half as many bits, scaled to the largest entry of each band;
            "file" is the same in a temporary file, deleted with the object.
    """

    def __init__(self, rows: int, like: Tensor, *, storage: Storage) -> None:
        self.rows = rows
        self._dtype = like.dtype
        self._device = like.device
        self._kept = like.dtype if storage == "full" else _HALF[like.dtype]
        size, length = _ON_CPU if like.device.type == "cpu" else max(_ON_CPU, _ON_GPU // rows), like.numel()
        self._size = size
        self.bands = [slice(first, min(first + size, length)) for first in range(0, length, size)]
        # Rows of one band side by side: a band of several rows is one matrix, or one stretch of the file.
        self._file: IO[bytes] | None = None
        self._values: list[Tensor] = []
        if storage == "file":
            self._file = tempfile.TemporaryFile(prefix="impasto-")  # noqa: SIM115  # lives as long as we do
            weakref.finalize(self, self._file.close)
        else:
            # Memory that is not written to is not taken.
            self._values = [
                torch.empty(rows, band.stop - band.start, dtype=self._kept, device=self._device)
                for band in self.bands
            ]
        # Where the values are computed with, so that nobody waits for a GPU to say how large one is.
        self._scales = torch.ones(len(self.bands), rows, dtype=like.dtype, device=like.device)

    def read(self, band: int, rows: int) -> Tensor:
        """The first ``rows`` rows of a band, (rows, values), to compute with."""
        values = self._values[band][:rows] if self._file is None else self._from_file(self._file, band, rows)
        if self._kept == self._dtype:
            return values
        return values.to(device=self._device, dtype=self._dtype).mul_(self._scales[band, :rows, None])

    def write(self, band: int, row: int, values: Tensor) -> None:
        """Replace one row of a band."""
        if self._kept != self._dtype:
            largest = values.abs().max()
            scale = torch.where(largest == 0.0, torch.ones_like(largest), largest)
            self._scales[band, row] = scale
            values = (values / scale).to(self._kept)
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
                f"{tempfile.gettempdir()}: no room for what the optimiser remembers "
                f"({error.strerror or error}); TMPDIR names another folder, "
                "and history_memory = 0 in a recipe keeps it in memory"
            ) from None

    def _from_file(self, file: IO[bytes], band: int, rows: int, *, first: int = 0) -> Tensor:
        length = self.bands[band].stop - self.bands[band].start
        values = torch.zeros(rows, length, dtype=self._kept)
        file.seek(self._offset(band, first))
        file.readinto(values.numpy().data)  # type: ignore[attr-defined]  # every file of bytes has it
        return values

    def _offset(self, band: int, row: int) -> int:
        length = self.bands[band].stop - self.bands[band].start
        return (self.bands[band].start * self.rows + row * length) * self._kept.itemsize

    def state(self, rows: int) -> dict[str, Tensor | Chunked]:
        """The first ``rows`` rows as they are kept now, (rows, values), for :meth:`restore`."""
        band = torch.tensor(self._size)
        return {"values": _Rows(self, rows), "scales": self._scales[:, :rows], "band": band}

    def restore(self, values: Tensor | Chunked, scales: Tensor, band: Tensor) -> None:
        """Take back what :meth:`state` gave, here or on a device that has other bands."""
        source, (rows, length) = flat(values), values.shape
        scales = scales.to(self._device, self._dtype)
        same = int(band) == self._size
        if same:
            self._scales[:, :rows] = scales
        for row in range(rows):
            for number, each in enumerate(self.bands):
                kept = source[row * length + each.start : row * length + each.stop]
                if not same:
                    place = torch.arange(each.start, each.stop, device=self._device) // int(band)
                    kept = kept.to(device=self._device, dtype=self._dtype) * scales[place, row]
                    self.write(number, row, kept)
                elif self._file is None:
                    self._values[number][row] = kept
                else:
                    self._to_file(self._file, number, row, kept)


class _Rows:
    """The first rows of vectors as one matrix, :class:`Chunked` as they lie: for each row, each band."""

    def __init__(self, vectors: HistoryBuffer, rows: int) -> None:
        self._vectors = vectors
        self.shape = torch.Size((rows, vectors.bands[-1].stop))
        self.dtype = vectors._kept

    def chunks(self) -> Iterator[slice]:
        length = self.shape[1]
        for row in range(self.shape[0]):
            for band in self._vectors.bands:
                yield slice(row * length + band.start, row * length + band.stop)

    def __getitem__(self, stretch: slice, /) -> Tensor:
        vectors = self._vectors
        row, first = divmod(stretch.start, self.shape[1])
        band = first // vectors.bands[0].stop
        if vectors._file is None:
            values: Tensor = vectors._values[band][row]
        else:
            values = vectors._from_file(vectors._file, band, 1, first=row)[0]
        return values
