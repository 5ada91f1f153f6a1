"""Pictures of data: contact sheets, charts, colour maps, heat maps.

This package is independent of recipes, networks and runs. Every higher package may import it; it imports
:mod:`impasto.color` and :mod:`impasto.errors`.
"""
