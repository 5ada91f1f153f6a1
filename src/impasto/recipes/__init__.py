"""What is to be painted, and how, as pure data: settings, presets, texts that say them, grids of them.

Nothing here loads torch, so that the command line judges what it is given at once. Whatever turns a recipe into
networks and losses is in :mod:`impasto.assembly`. Everything above may import this room; it imports only
:mod:`impasto.errors` and :mod:`impasto.text`.
"""
