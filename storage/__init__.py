"""The zarr layout, import of raw formats, export of results."""

if __name__ != "dxdask.storage":
    raise ImportError(f"import dxdask.storage, not {__name__}: two copies would be made")
