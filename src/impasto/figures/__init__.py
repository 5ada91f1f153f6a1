"""Pictures of data: contact sheets, charts, colour maps, heat maps.

Nothing here knows of recipes, networks or runs. Any room above may import this one; it imports :mod:`impasto.color`.
"""
