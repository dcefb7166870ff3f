"""Files of ACE potentials: the .yaml that is trained, and the .yace that LAMMPS runs."""
