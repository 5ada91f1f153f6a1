"""From a recipe to the objects that carry it out: network, objective, sizes, solver, colours, masks, device.

Nothing here paints. :mod:`impasto.transfer` and :mod:`impasto.inspection` import this room; it imports
:mod:`impasto.recipes` and everything below.
"""
