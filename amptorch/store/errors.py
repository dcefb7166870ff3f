"""The one error of stores."""


class StoreError(ValueError):
    """A store that is damaged, of another kind, or cannot be written; names file and record."""
