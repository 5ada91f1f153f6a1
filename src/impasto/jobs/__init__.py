"""Pictures to be painted one after another or side by side in processes: what a sweep, a batch and a page share.

Which pictures, and what becomes of them, is the caller's. It imports :mod:`impasto.runs` and everything below.
"""
