"""What a training step is shown: pieces of contents and styles, and who is painted as whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from impasto.feedforward.training.archive import Picture
from impasto.feedforward.training.augment import jittered, recoloured
from impasto.feedforward.training.pool import Pool, cumulative, vividness
from impasto.feedforward.training.settings import Settings, Stage

SHIFT = 4
"""Pixels by which a content is moved, at most, to see whether its painting moves along."""

_NOISE = 2.0 / 255.0
_BRIGHTER = 0.02

# How often styles of each folder are drawn. Photographs have palettes that paintings lack.
_SHARES = {"art": 0.62, "swatches": 0.14, "photos": 0.24}


@dataclass(frozen=True, eq=False)  # compared by identity: tensors have no one truth
class Batch:
    """One step's pictures, (N, 3, S, S) in [0, 1].

    Attributes:
        contents: what is painted.
        moved: the last N / 4 contents, moved by a few pixels, with noise and another brightness.
        rows, columns: (S - 2 · SHIFT,) each: where ``moved`` shows what ``contents`` has from SHIFT on.
        styles: (N + A, 3, S, S): N styles, then the first A contents, as styles of themselves.
        first, second, share: (N,): each is painted as style ``first`` at a share of 0, as ``second`` at 1.
        own: A, how many begin at their own style.
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
    """Pictures on the device, by what they are drawn for."""

    contents: Pool
    styles: tuple[tuple[Pool, float], ...]

    @classmethod
    def of(cls, pictures: Mapping[str, Mapping[str, Picture]], *, device: torch.device | str) -> Self:
        """Of an archive's folders (:mod:`impasto.feedforward.training.archive`).

        Raises:
            ParameterError: no photographs, or no art.
        """
        photos = list(pictures.get("photos", {}).values())
        # Archives of old photographs are dark and grey; vivid ones count up to three times as often.
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
        """The batch of a step: always the same for the same settings, stage and step."""
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

        # What is at SHIFT + i in the contents is at 2 · SHIFT + i in the large ones.
        kept = 2 * SHIFT - shift + torch.arange(size - 2 * SHIFT, device=device)

        own, mixed = round(settings.own * count), round(settings.mixed * count)
        styles = torch.cat([self._styles(count, size, generator), contents[:own]])
        random = torch.rand(2, count, generator=generator, device=device)
        at = torch.arange(count, device=device)
        ends = at < own
        mixes = (at >= own) & (at < own + mixed)
        # Half of those that begin at their own style stay there: painted as themselves, pictures should not change.
        share = torch.where(ends & (random[0] < 0.5) | ~(ends | mixes), 0.0, random[1])
        return Batch(
            contents=contents,
            moved=moved,
            rows=kept[0],
            columns=kept[1],
            styles=styles,
            first=torch.where(ends, at + count, at),
            second=torch.where(mixes, (at + 1) % count, at),
            share=share,
            own=own,
        )

    def _styles(self, count: int, size: int, generator: torch.Generator) -> Tensor:
        """(count, 3, size, size): drawn from each pool by its share, then shuffled."""
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
        drawn = recoloured(drawn, generator, swapped=0.3, inverted=0.08)
        return jittered(drawn, generator, amount=0.15)


def _bounded(vivid: float) -> float:
    return min(max(vivid, 0.3), 1.2)
