"""`impasto presets`, `schema`, `encoders`: lists of presets, settings and networks."""

from __future__ import annotations

import sys

from impasto.apps.cli.output import write_line


def presets(name: str | None = None, *, faithful: bool = False) -> int:
    """List the presets, or print one as a recipe.

    The recipe is for a .toml file. It contains every setting of the preset.

        impasto presets
        impasto presets gatys --faithful > mine.toml

    Parameters
    ----------
    name
        The preset to print.
    faithful
        Print it with the tool's own size, start, optimiser and iterations.
    """
    from impasto.recipes.presets import PRESETS, resolve

    if name is not None:
        sys.stdout.write(resolve(name, faithful=faithful).to_toml())
        return 0
    width = max(map(len, PRESETS))
    for key, preset in PRESETS.items():
        write_line(f"{key:<{width}}  {preset.summary}")
    return 0


def schema() -> int:
    """Print the JSON schema of a recipe.

    It has every setting with its type, default and description. Editors use it to check and complete recipes.

        impasto schema > recipe.schema.json
    """
    import json

    from impasto.recipes.recipe import Recipe

    write_line(json.dumps(Recipe.model_json_schema(), indent=1))
    return 0


def encoders(name: str | None = None) -> int:
    """List the networks, their layers and the sources of their weights.

    Every option for layers takes these names.

        impasto encoders vgg16

    Parameters
    ----------
    name
        List only this network.
    """
    from impasto.assembly.networks import ENCODERS
    from impasto.encoders.mobilenet import MOBILENET_V2
    from impasto.encoders.sources import DEFAULTS, SOURCES
    from impasto.errors import unknown_name

    if name is not None and name not in ENCODERS:
        raise unknown_name("encoder", name, ENCODERS)
    for key, network in ENCODERS.items():
        if name not in (None, key):
            continue
        write_line(key)
        write_line(f"  layers   {' '.join(network.layers())}")
        for source, known in SOURCES.items():
            if known.network == key:
                default = "  (default)" if DEFAULTS.get(key) == source else ""
                write_line(f"  weights  {source}{default}: {known.summary}; {known.licence}")
        if key == "mobilenet-v2":
            for source, (url, _) in MOBILENET_V2.items():
                write_line(f"  weights  {source}: {url}; needs impasto[torchvision]")
    return 0
