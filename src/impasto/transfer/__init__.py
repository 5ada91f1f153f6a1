"""One picture being painted, from the pictures that are given to the result, in memory alone.

:mod:`impasto.transfer.api` has the public functions, :mod:`impasto.transfer.session` what they drive. Runs on disk
are in :mod:`impasto.runs`, which imports this room.
"""
