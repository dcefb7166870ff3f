"""Clients of Dask clusters."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .threads import bound_cores

if TYPE_CHECKING:
    from distributed import Client


@contextlib.contextmanager
def connected(cluster: str, workers: int | None = None) -> Iterator[Client]:
    """A client, until the end.

    Args:
        cluster: address of a scheduler, "tcp://host:port", or "local" for workers on this machine.
        workers: of "local", each a process of one thread; default one a core.

    Raises:
        ImportError: the package distributed is not installed.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise ImportError(
            "dask: needs the package distributed: pip install 'amptorch[dask]'"
        ) from None
    # Images travel with their tasks, so that they are still there when a worker is not.
    quiet = {"distributed.admin.large-graph-warning-threshold": "1GB"}
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(quiet))
        address: Any = cluster
        if cluster == "local":
            number = bound_cores() if workers is None else workers
            made = LocalCluster(n_workers=number, threads_per_worker=1, dashboard_address=":0")
            address = stack.enter_context(made)
        yield stack.enter_context(Client(address))
