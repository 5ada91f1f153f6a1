"""A run on disk: its folder written, read, checkpointed and resumed.

Pictures side by side are in :mod:`impasto.reports`, many runs in :mod:`impasto.jobs` and :mod:`impasto.sweeps`, which
import this room. It imports :mod:`impasto.transfer` and everything below.
"""
