"""Sizes: how large the picture and the styles are, and the levels to work through, coarse to fine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.geometry import Resample, Size, resize


@dataclass(frozen=True)
class Level:
    """One size to work at.

    Attributes:
        size: of the picture and the content.
        styles: of each style picture.
        iterations: steps of the solver here.
    """

    size: Size
    styles: tuple[Size, ...]
    iterations: int


@dataclass(frozen=True)
class Pyramid:
    """The sizes to work at, coarse to fine, and how pictures are brought to them.

    Attributes:
        levels: one or more.
        resample: how content and styles are brought to a level's size.
        detail: share of the content's detail that is added where the picture is enlarged (:func:`carry_up`).
        seamless: the picture goes on at its other side.
        margin: pixels painted beyond every edge, where the content is mirrored. They are cut off in what is shown:
            a network that sees zeros beyond an edge leaves its marks there.
    """

    levels: Sequence[Level]
    resample: Resample = "bicubic"
    detail: float = 0.0
    seamless: bool = False
    margin: int = 0

    def content(self, picture: Tensor, level: int) -> Callable[[], Tensor]:
        """Makes the content picture of a level, with its margin."""
        return partial(resize_wide, picture, self.levels[level].size, self.resample, self.margin)

    def styles(self, pictures: Sequence[Tensor], level: int) -> list[Callable[[], Tensor]]:
        """Make the style pictures of a level."""
        sizes = self.levels[level].styles
        return [
            partial(resize, picture, size, self.resample)
            for picture, size in zip(pictures, sizes, strict=True)
        ]

    def planned(self, level: int, iteration: int, done: int) -> int:
        """Iterations at all levels, where ``done`` are done, of which ``iteration`` at this level."""
        return done + sum(each.iterations for each in self.levels[level:]) - iteration


def sizes(size: Size, *, smallest: int, ratio: float) -> list[Size]:
    """From coarse to fine by ``ratio``: the first has a long side of about ``smallest``, the last is ``size``."""
    count = max(0, round(math.log(max(size) / smallest, ratio))) if max(size) > smallest else 0
    scales = [ratio**-step for step in range(count, 0, -1)] + [1.0]
    return [(max(1, round(size[0] * scale)), max(1, round(size[1] * scale))) for scale in scales]


def split(iterations: int, levels: int, *, coarser: float = 1.0, first: float = 1.0) -> list[int]:
    """``iterations`` divided over the levels, at least 1 each.

    Args:
        coarser: how many times as many a level gets as the next finer one.
        first: a further factor for the coarsest level.
    """
    shares = [coarser ** (levels - 1 - level) for level in range(levels)]
    shares[0] *= first
    found = [max(1, round(iterations * share / sum(shares))) for share in shares]
    found[-1] = max(1, found[-1] + iterations - sum(found))
    return found


def widened(image: Tensor, margin: int) -> Tensor:
    """(N, C, H, W) with so many pixels more on every side, mirrored."""
    return F.pad(image, (margin,) * 4, mode="reflect") if margin else image


def resize_wide(image: Tensor, size: Size, resample: Resample, margin: int) -> Tensor:
    """:func:`resize`, :func:`widened`, one colour at a time: beside a large picture there is no room for another."""
    if not margin:
        return resize(image, size, resample)
    height, width = size
    dtype = torch.promote_types(image.dtype, torch.float32)
    wide = image.new_empty(*image.shape[:2], height + 2 * margin, width + 2 * margin, dtype=dtype)
    for channel in range(image.shape[1]):
        plane = slice(channel, channel + 1)
        wide[:, plane] = widened(resize(image[:, plane], size, resample), margin)
    return wide


def trimmed(image: Tensor, margin: int) -> Tensor:
    """What :func:`widened` was given, a view."""
    return image[..., margin:-margin, margin:-margin] if margin else image


def carry_up(
    image: Tensor,
    content: Tensor,
    sizes: tuple[Size, Size],
    detail: float,
    *,
    resample: Resample = "bicubic",
    seamless: bool = False,
    margin: int = 0,
) -> Tensor:
    """The picture of a coarse level as the start of the next finer one.

    Args:
        image: (1, 3, h, w) in [0, 1], painted at the coarse level.
        content: the content picture at any size.
        sizes: of the coarse and of the fine level.
        detail: share of what the content has at the fine level and not at the coarse one that is added, so that
            edges need not be found again.
        resample: how the content is brought to a size.
        seamless: the picture goes on at its other side.
        margin: pixels that the result has more on every side, mirrored.
    """
    coarse, fine = sizes
    height, width = fine
    larger = image.new_empty(*image.shape[:2], height + 2 * margin, width + 2 * margin)
    # One colour at a time: beside a large picture there is no room for another.
    for channel in range(image.shape[1]):
        plane = slice(channel, channel + 1)
        own, shown = image[:, plane], content[:, plane]
        if detail:
            # Enlarging is linear: up(image) + detail (fine − up(coarse)), with one enlargement.
            own = own - detail * resize(shown, coarse, resample)
        own = _enlarged(own, fine, seamless)
        if detail:
            own.add_(resize(shown, fine, resample), alpha=detail)
        larger[:, plane] = widened(own, margin)
    return larger.clamp_(0.0, 1.0)


def _enlarged(image: Tensor, size: Size, seamless: bool) -> Tensor:
    if not seamless:
        return F.interpolate(image, size, mode="bicubic", antialias=True, align_corners=False)
    # Sides are multiples of 16, so a sixteenth of the other side on each is a whole number of pixels at both sizes.
    rows, columns = image.shape[-2] // 16, image.shape[-1] // 16
    wide = F.pad(image, (columns, columns, rows, rows), mode="circular")
    height, width = size
    shape = (height + 2 * (height // 16), width + 2 * (width // 16))
    larger = F.interpolate(wide, shape, mode="bicubic", antialias=True, align_corners=False)
    return larger[..., height // 16 :, width // 16 :][..., :height, :width].contiguous()
