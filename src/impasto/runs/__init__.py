"""A run on disk: writing, reading, checkpointing and resuming its folder.

:mod:`impasto.reports` compares runs; :mod:`impasto.jobs` and :mod:`impasto.sweeps` execute many; these packages
import this one. It imports :mod:`impasto.transfer` and everything below.
"""
