"""What a descriptor costs: numerics on plain tensors, one stem a descriptor.

``<stem>.py`` holds the equations and the only choice of backend, ``cpu/<stem>.cpp`` the C++ kernel,
``reference/<stem>.py`` the plain torch reference.
"""

from . import threads  # noqa: F401  (prepares forks)
