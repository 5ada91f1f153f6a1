"""Recipes, presets and what carries them out."""
