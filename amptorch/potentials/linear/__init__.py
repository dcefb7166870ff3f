"""Linear potentials: energies of atoms that are polynomials of their fingerprints."""
