"""Inspect networks and objectives: feature maps, Gram matrices, reconstructions from a layer, losses of pictures.

No session and no run is needed. :mod:`impasto.apps` imports this package.
"""
