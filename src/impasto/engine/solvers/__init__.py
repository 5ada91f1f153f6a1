"""Solvers that optimise a picture, for any objective with a gradient; their state can be saved and restored."""
