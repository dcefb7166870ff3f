"""Which features of a pool to keep: rankings of them, and errors of networks on the sets."""
