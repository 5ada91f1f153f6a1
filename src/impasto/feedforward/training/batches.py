"""Batches for training steps: crops of contents and styles, and which content gets which style."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from impasto.feedforward.training.archive import Picture
from impasto.feedforward.training.augment import jittered, recolored
from impasto.feedforward.training.pool import Pool, cumulative, vividness
from impasto.feedforward.training.settings import Settings, Stage

SHIFT = 4
"""The largest shift of a content in pixels, for the "steady" term: a shifted content should give a shifted result."""

_NOISE = 2.0 / 255.0
_BRIGHTER = 0.02

# Folder -> its share of the styles. Photographs have palettes that art lacks.
_SHARES = {"art": 0.62, "swatches": 0.14, "photos": 0.24}


@dataclass(frozen=True, eq=False)  # compared by identity: == of tensors is elementwise
class Batch:
    """One step's pictures, (N, 3, S, S) in [0, 1].

    Attributes:
        contents: the content pictures.
        moved: the last N / 4 contents, shifted by a few pixels, with noise and changed brightness.
        rows, columns: (S - 2 · SHIFT,) each: indices into ``moved`` for the pixels of ``contents`` from SHIFT on.
        styles: (N + A, 3, S, S): N styles, then the first A contents, which serve as their own styles.
        first, second, share: (N,): each content gets style ``first`` at share 0, ``second`` at share 1, and an
            interpolation of both in between.
        own: A, the number of contents whose ``first`` style is the content itself.
    """

    contents: Tensor
    moved: Tensor
    rows: Tensor
    columns: Tensor
    styles: Tensor
    first: Tensor
    second: Tensor
    share: Tensor
    own: int


@dataclass(frozen=True, eq=False)
class Pools:
    """The pools of contents and styles, on the device."""

    contents: Pool
    styles: tuple[tuple[Pool, float], ...]

    @classmethod
    def of(cls, pictures: Mapping[str, Mapping[str, Picture]], *, device: torch.device | str) -> Self:
        """Pools of an archive's folders (:mod:`impasto.feedforward.training.archive`).

        Raises:
            ParameterError: no photographs, or no art.
        """
        photos = list(pictures.get("photos", {}).values())
        # Many old photographs are dark and grey; vivid ones are drawn up to four times as often.
        contents = Pool.of(photos, [_bounded(vividness(each)) for each in photos], device=device)
        styles = []
        for folder, share in _SHARES.items():
            found = list(pictures.get(folder, {}).values())
            if folder == "photos":
                vivid = [_bounded(vividness(each)) ** 2 for each in photos]
                styles.append((Pool(contents.canvases, contents.sizes, cumulative(vivid).to(device)), share))
            elif found or folder == "art":
                vivid = [_bounded(vividness(each)) for each in found]
                styles.append((Pool.of(found, vivid, device=device), share))
        return cls(contents, tuple(styles))

    def batch(self, settings: Settings, stage: Stage, step: int) -> Batch:
        """The batch of a step; deterministic for settings, stage and step."""
        device = self.contents.canvases.device
        generator = torch.Generator(device).manual_seed(settings.seed * 1_000_003 + step)
        count, size = stage.batch, stage.size
        large = jittered(
            self.contents.draw(count, size + 2 * SHIFT, generator, least=0.6), generator, amount=0.15
        )
        contents = large[..., SHIFT : SHIFT + size, SHIFT : SHIFT + size]
        shift = torch.randint(0, 2 * SHIFT + 1, (2, 1), generator=generator, device=device)
        window = shift + torch.arange(size, device=device)
        again = large[-max(1, count // 4) :]
        moved = again.index_select(2, window[0]).index_select(3, window[1])
        noise = torch.randn(moved.shape, generator=generator, device=device) * _NOISE
        light = 1 + _BRIGHTER * (2 * torch.rand(len(moved), 1, 1, 1, generator=generator, device=device) - 1)
        moved = (moved * light + noise).clamp(0.0, 1.0)

        # Pixel SHIFT + i of ``contents`` is pixel 2 · SHIFT + i of ``large``.
        overlap = 2 * SHIFT - shift + torch.arange(size - 2 * SHIFT, device=device)

        own, mixed = round(settings.own * count), round(settings.mixed * count)
        styles = torch.cat([self._styles(count, size, generator), contents[:own]])
        random = torch.rand(2, count, generator=generator, device=device)
        at = torch.arange(count, device=device)
        ends = at < own
        mixes = (at >= own) & (at < own + mixed)
        # Half of the contents with their own style as ``first`` use only that style: the network should not change
        # them.
        share = torch.where(ends & (random[0] < 0.5) | ~(ends | mixes), 0.0, random[1])
        return Batch(
            contents=contents,
            moved=moved,
            rows=overlap[0],
            columns=overlap[1],
            styles=styles,
            first=torch.where(ends, at + count, at),
            second=torch.where(mixes, (at + 1) % count, at),
            share=share,
            own=own,
        )

    def _styles(self, count: int, size: int, generator: torch.Generator) -> Tensor:
        """(count, 3, size, size): styles drawn from each pool by its share, then shuffled."""
        total = sum(share for _, share in self.styles)
        pieces, left, weight = [], count, total
        for pool, share in self.styles:
            number = round(left * share / weight)
            left, weight = left - number, weight - share
            if number:
                pieces.append(pool.draw(number, size, generator, least=0.4, turned=True))
        drawn = torch.cat(pieces)
        device = drawn.device
        drawn = drawn[torch.rand(count, generator=generator, device=device).argsort()]
        drawn = recolored(drawn, generator, swapped=0.3, inverted=0.08)
        return jittered(drawn, generator, amount=0.15)


def _bounded(vivid: float) -> float:
    return min(max(vivid, 0.3), 1.2)
