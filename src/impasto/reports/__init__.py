"""Runs to look at: one run's view, pages, comparisons, films.

Nothing here paints. It imports :mod:`impasto.runs` and :mod:`impasto.figures`.
"""
