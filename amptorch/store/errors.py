"""Errors of stores."""


class StoreError(ValueError):
    """A store that is damaged, of another kind, or cannot be written; names file and record."""


class DamagedStore(StoreError):
    """A file that is truncated or no LMDB file at all."""
