"""Files of a run, and reading pickles without running what is in them."""
