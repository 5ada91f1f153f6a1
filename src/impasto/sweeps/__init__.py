"""Grids of settings and pictures, each combination a run, on one sheet and one page."""
