"""How many threads this process has, and how they wait for one another.

This comes before torch and imports nothing of it: OpenMP reads its environment when torch loads it,
and never again.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

# How often a thread that waits for the others looks for them before it sleeps. GNU's OpenMP has
# 300 000, some 20 ms: on a core that another program uses too, threads then spend their time on
# looking out for one that cannot run. With 1000, less than 0.1 ms, they still meet awake in a step.
SPINS = 1000
# Numbers of which torch leaves a part to every thread.
_SHARED = 1 << 20
_WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
_NUMBER = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_CGROUPS = Path("/sys/fs/cgroup")
# Whether torch, and with it OpenMP, was there before, and whether somebody said how to wait.
_LATE = "torch" in sys.modules
_SAID = any(name in os.environ for name in _WAITING)
_crowd: threading.Thread | None = None


def wait_briefly() -> None:
    """Have threads that wait for one another sleep soon, unless the environment says how they wait.

    Where torch was imported before, this holds for processes that this one starts only; see
    :func:`wait_briefly_late`.
    """
    if not _SAID:
        os.environ["GOMP_SPINCOUNT"] = str(SPINS)


def wait_briefly_late() -> None:
    """The same for a process that had loaded OpenMP before, once its threads are to begin.

    GNU's OpenMP looks a hundred times only while it has more threads than there are cores
    (https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html): a thread of this process keeps
    a second team of them, asleep.
    """
    global _crowd
    import torch

    fills = torch.get_num_threads() >= bound_cores() > 1
    there = _crowd is not None and _crowd.is_alive()
    if _SAID or not _LATE or there or not fills or sys.platform != "linux":
        return
    begun = threading.Event()
    _crowd = threading.Thread(target=_keep_a_team, args=(begun,), name="amptorch", daemon=True)
    _crowd.start()
    begun.wait()


def _keep_a_team(begun: threading.Event) -> None:
    import torch

    try:
        torch.zeros(_SHARED).add_(1)
    finally:
        begun.set()
    threading.Event().wait()


def limit_threads() -> None:
    """Give torch no more threads than there are cores for this process, unless the environment or
    ``torch.set_num_threads`` said how many.

    torch knows of the cores that a process is bound to; containers and batch systems often give a
    share of the time of all cores instead.
    """
    import torch

    said = any(name in os.environ for name in _NUMBER)
    if not said and torch.get_num_threads() == bound_cores() > cores():
        torch.set_num_threads(cores())


def cores() -> int:
    """Cores that this process may use: those it is bound to, or fewer where its control group
    (cgroup) has a quota of time; at least 1."""
    share = quota()
    return bound_cores() if share is None else max(1, min(bound_cores(), int(share)))


def bound_cores() -> int:
    """Cores that this process is bound to; all of the machine where nothing binds it."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quota(groups: Path = Path("/proc/self/cgroup"), root: Path = _CGROUPS) -> float | None:
    """Cores' worth of time that the control groups of this process leave it; None without a limit.

    Args:
        groups: file that names them.
        root: where they lie.
    """
    try:
        lines = groups.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    limits = [limit for line in lines for limit in _limits(line, root)]
    return min(limits, default=None)


def _limits(line: str, root: Path) -> list[float]:
    """Limits of a group and of those around it; ``line``: number, controllers, path."""
    _, controllers, path = line.split(":", 2)
    if controllers and "cpu" not in controllers.split(","):
        return []
    place = root / controllers
    group = place / path.strip("/")
    # In a container the path may be the host's, which is not there, but its group is the root.
    around = [group, *group.parents]
    read = _old_limit if controllers else _limit
    found = [read(each) for each in around if each == place or place in each.parents]
    return [limit for limit in found if limit is not None]


def _limit(group: Path) -> float | None:
    """Of a group of version 2: ``cpu.max``, microseconds of a period, or "max"."""
    try:
        time, period = (group / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return None if time == "max" else int(time) / int(period)


def _old_limit(group: Path) -> float | None:
    """Of a group of version 1: the same in two files, -1 without a limit."""
    names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    try:
        time, period = (int((group / name).read_text(encoding="ascii")) for name in names)
    except (OSError, ValueError):
        return None
    return time / period if time > 0 else None


def threads_summary() -> dict[str, str]:
    """What holds of threads in this process, for people: "threads" and "waiting"."""
    import torch

    share = quota()
    limit = "" if share is None else f", a quota of {share:g} cores' time"
    said = [f"{name}={os.environ[name]}; " for name in _NUMBER if name in os.environ]
    bound = f"bound to {bound_cores()} of {os.cpu_count()} cores{limit}"
    threads = f"{torch.get_num_threads()} ({''.join(said)}{bound})"
    return {"threads": threads, "waiting": _waiting()}


def _waiting() -> str:
    if _SAID:
        return ", ".join(f"{name}={os.environ[name]}" for name in _WAITING if name in os.environ)
    if not _LATE:
        return f"look {SPINS} times, then sleep"
    if _crowd is None:
        return "as OpenMP has it until training begins, since torch was imported before amptorch"
    return "look 100 times, then sleep"
