"""Tiling: losses and gradient of a picture from its tiles, equal to those of the undivided picture to rounding."""
