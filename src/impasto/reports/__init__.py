"""Reports of runs: a view of one run, HTML pages, comparisons, films.

Nothing here paints. This package imports :mod:`impasto.runs` and :mod:`impasto.figures`.
"""
