"""Clusters on which graphs run: threads, local processes, a batch queue, an address."""

if __name__ != "dxdask.cluster":
    raise ImportError(
        f"import dxdask.cluster, not {__name__}: a second copy of the module would be made"
    )
