"""Build what a recipe describes: network, objective, sizes, solver, colours, masks, device.

Nothing here paints. :mod:`impasto.transfer` and :mod:`impasto.inspection` import this package. It imports
:mod:`impasto.recipes` and the layers below.
"""
