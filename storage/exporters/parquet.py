"""Tables of reflections as Apache Parquet, with the columns of the CSV files."""

from __future__ import annotations

from pathlib import Path

from dxdask.columns import Reflections
from dxdask.errors import InputError
from dxdask.storage.exporters.csv import to_frame
from dxdask.storage.exporters.processing import Processing
from dxdask.storage.exporters.whole_file import whole_file


def write_parquet(
    path: str | Path, reflections: Reflections, processing: Processing | None = None
) -> None:
    """Write reflections, types as they are; steps and parameters are in the metadata.

    `pandas.read_parquet` gives the steps as `attrs["dxdask"]`.

    Raises
    ------
    InputError
        pyarrow, an optional dependency, is not installed.
    SchemaError
        A column is unknown or ill shaped.
    """
    frame = to_frame(reflections)
    frame.attrs["dxdask"] = [str(step) for step in processing.steps] if processing else []
    try:
        with whole_file(path) as aside:
            frame.to_parquet(aside, index=False, engine="pyarrow")
    except ImportError as error:
        raise InputError(
            "Parquet files need pyarrow, which is not installed: pip install 'dxdask[parquet]', or "
            "give format=csv"
        ) from error
