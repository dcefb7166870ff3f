"""What suits data: configurations chosen by rules, with the reason of each value."""

from .facts import Facts
from .recipe import PRESETS, Recipe, choose, complete

__all__ = ["PRESETS", "Facts", "Recipe", "choose", "complete"]
