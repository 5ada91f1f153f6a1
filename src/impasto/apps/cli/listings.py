"""What there is to choose from: presets, settings, encoders."""

from __future__ import annotations

import sys

from impasto.apps.cli.output import say


def presets(name: str | None = None, *, faithful: bool = False) -> int:
    """List the presets, or print one as a recipe to start a .toml file from.

    What a preset minimises and how is all in its recipe.

        impasto presets
        impasto presets gatys --faithful > mine.toml

    Parameters
    ----------
    name
        The preset to print.
    faithful
        Print it as the tool itself works.
    """
    from impasto.recipes.presets import PRESETS, resolve

    if name is not None:
        sys.stdout.write(resolve(name, faithful=faithful).to_toml())
        return 0
    width = max(map(len, PRESETS))
    for key, preset in PRESETS.items():
        say(f"{key:<{width}}  {preset.summary}")
    return 0


def schema() -> int:
    """Print the JSON schema of a recipe: every setting with its type, default and description.

    Editors check and complete recipes by it.

        impasto schema > recipe.schema.json
    """
    import json

    from impasto.recipes.recipe import Recipe

    say(json.dumps(Recipe.model_json_schema(), indent=1))
    return 0


def encoders(name: str | None = None) -> int:
    """List the networks, their layers and where their weights come from.

    A layer is named like that wherever one can be chosen.

        impasto encoders vgg16

    Parameters
    ----------
    name
        Only this network.
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
        say(key)
        say(f"  layers   {' '.join(network.layers())}")
        for source, known in SOURCES.items():
            if known.network == key:
                default = "  (default)" if DEFAULTS.get(key) == source else ""
                say(f"  weights  {source}{default}: {known.summary}; {known.licence}")
        if key == "mobilenet-v2":
            for source, (url, _) in MOBILENET_V2.items():
                say(f"  weights  {source}: {url}; needs impasto[torchvision]")
    return 0
