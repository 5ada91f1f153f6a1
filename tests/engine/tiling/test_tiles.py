"""The cut: every pixel once, on the network's grid, with the margin it needs."""

from __future__ import annotations

import torch

from impasto.engine.tiling.tiles import cut


def test_the_cut_covers_every_pixel_once() -> None:
    for size in ((64, 64), (65, 131), (1000, 17)):
        for side in (0, 16, 50, 4000):
            count = torch.zeros(size)
            for piece in cut(size, side, reach=70, stride=16):
                piece.core.of(count).add_(1)
                assert piece.outer.top % 16 == 0 and piece.outer.left % 16 == 0
                assert piece.outer.top in (0, piece.core.top - 80) or piece.outer.top == 0
            assert bool((count == 1).all())
