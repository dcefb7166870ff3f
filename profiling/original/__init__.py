"""The data path of the original AMPTorch, written anew from its description, to measure against.

What it does for a frame, and so what it costs:

- ``triple_loop.cpp`` looks for neighbours in bins and sums symmetry functions term by term;
- derivatives go into a dense array over all atoms, which becomes a sparse matrix (``primes``);
- a Python loop scales the entries of that matrix one by one (``scaling``);
- records are pickled into LMDB (``cache``), batches joined block-diagonally (``collate``);
- the networks of all elements see all atoms, and a mask picks; forces are a product with the
  sparse matrix, differentiated again by autograd (``networks``, ``training``).

Nothing in it is slower than it has to be for that. ``real`` runs AMPTorch itself, where there is
one.
"""
