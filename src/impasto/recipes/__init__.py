"""Recipes as pure data: the settings of a picture, presets, parsing of settings from text, grids of settings.

Nothing here imports torch, so the command line validates its arguments without the second that loading torch takes.
:mod:`impasto.assembly` turns a recipe into networks and losses. Every higher package may import this one; this
package imports only :mod:`impasto.errors` and :mod:`impasto.text`.
"""
