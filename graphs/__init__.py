"""Dask graphs: which kernel runs on which chunk, and how results are reduced."""

if __name__ != "dxdask.graphs":
    raise ImportError(f"import dxdask.graphs, not {__name__}: two copies would be made")
