"""Pictures and profiles that the tests of several files read."""

from __future__ import annotations

import struct

import numpy as np
from PIL import ImageCms

from impasto.images import Picture

VALUES = np.random.default_rng(1).integers(0, 256, (12, 17, 3), dtype=np.uint8)


def hwc(picture: Picture) -> np.ndarray:
    return picture.pixels[0].permute(1, 2, 0).numpy()


def eight_bits(picture: Picture) -> np.ndarray:
    return (hwc(picture) * 255).round().astype(int)


def gamma_profile(gamma: float, kind: bytes = b"RGB ") -> bytes:
    """A small ICC version 2 profile: sRGB's primaries, another gamma."""

    def s15(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    xyz = b"XYZ \0\0\0\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78 + 1),
        b"wtpt": xyz + s15(0.9642, 1, 0.8249),
    }
    if kind == b"RGB ":
        tags |= {
            b"rXYZ": xyz + s15(0.4360, 0.2225, 0.0139),
            b"gXYZ": xyz + s15(0.3851, 0.7169, 0.0971),
            b"bXYZ": xyz + s15(0.1431, 0.0606, 0.7141),
            b"rTRC": curve,
            b"gTRC": curve,
            b"bTRC": curve,
        }
    else:
        tags[b"kTRC"] = curve
    table, body, at = b"", b"", 132 + 12 * len(tags)
    for key, value in tags.items():
        table += key + struct.pack(">II", at + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    size = at + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, b"mntr", kind, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + s15(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
