"""The zarr layout, import of raw formats, export of results."""

if __name__ != "dxdask.storage":
    raise ImportError(f"import dxdask.storage, not {__name__}: a second copy of the module would be made")
