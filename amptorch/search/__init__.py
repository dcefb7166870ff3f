"""Search for the values of a configuration that predict frames left out best."""
