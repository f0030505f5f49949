"""Where graphs run: threads, a local cluster, a batch queue, an address."""

if __name__ != "dxdask.cluster":
    raise ImportError(
        f"import dxdask.cluster, not {__name__}: a second copy of the module would be made"
    )
