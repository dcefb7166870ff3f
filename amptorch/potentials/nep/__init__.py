"""Neuroevolution potentials (NEP), those of GPUMD."""
