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
                # As far as features see, and on from there to where the network's strides fall.
                assert piece.outer.top == max(0, (piece.core.top - 70) // 16 * 16)
                assert piece.outer.left == max(0, (piece.core.left - 70) // 16 * 16)
            assert bool((count == 1).all())
