"""What suits data: configurations chosen by rules, with the reason of each value."""

from .facts import Facts
from .recipe import OF_DATA, PRESETS, Recipe, choose, complete, gives_stresses
from .suited import suited

__all__ = [
    "OF_DATA",
    "PRESETS",
    "Facts",
    "Recipe",
    "choose",
    "complete",
    "gives_stresses",
    "suited",
]
