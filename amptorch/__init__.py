"""Neural-network interatomic potentials from atomic fingerprints."""
