"""What a picture looks like where that is probably a mistake: nearly one colour, or hardly any light."""

from __future__ import annotations

from impasto.images.reading import Picture
from impasto.images.samples import to_uint8_if_exact

_ONE_COLOR = 8 / 255


def odd_looks(picture: Picture) -> list[str]:
    """Notes about a picture that is nearly one colour, or nearly black since its values are not scaled."""
    pixels = picture.pixels
    if picture.alpha is not None and not picture.alpha.any():
        return []
    white = 255.0 if not pixels.is_floating_point() else 1.0
    brightest = float(pixels.max()) / white
    deep = to_uint8_if_exact(pixels).is_floating_point()
    bits = next((bits for bits in (10, 12) if brightest * 65535 < 1 << bits), None)
    if deep and brightest and bits:
        return [
            f"nearly black: its brightest value is {round(brightest * 65535)} of 65535, as of {bits}-bit data in "
            f"a 16-bit file; multiply its values by {1 << (16 - bits)}"
        ]
    planes = pixels[0].flatten(1)
    spread = float((planes.amax(1).float() - planes.amin(1).float()).max()) / white
    return ["nearly one colour"] if spread <= _ONE_COLOR else []
