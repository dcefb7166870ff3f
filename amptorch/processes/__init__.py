"""How this process shares the machine: threads, and other processes."""
