"""Parameters of `export`, and the format that the ending of a file name stands for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from dxdask.errors import ParameterError
from dxdask.parameters import Parameters, parameter

Format = Literal["mtz", "mmcif", "dials", "csv", "parquet", "hkl", "stream", "xds_ascii", "shelx"]

SUFFIX: dict[Format, str] = {
    "mtz": ".mtz",
    "mmcif": ".cif",
    "csv": ".csv",
    "parquet": ".parquet",
    "dials": ".expt",
    "hkl": ".hkl",
    "stream": ".stream",
    "xds_ascii": ".HKL",
    "shelx": ".hkl",
}
"""Ending of the file of each format."""
_FORMATS: dict[str, Format] = {
    ".mtz": "mtz",
    ".cif": "mmcif",
    ".mmcif": "mmcif",
    ".csv": "csv",
    ".parquet": "parquet",
    ".expt": "dials",
    ".refl": "dials",
    ".stream": "stream",
    ".HKL": "xds_ascii",
}
"""Format that an ending stands for; `.hkl` is of several programs."""


class MtzParameters(Parameters):
    """Content of an MTZ or mmCIF file."""

    unmerged: bool = parameter(False, "write the scaled (else integrated) observations, unmerged")


class CsvParameters(Parameters):
    """Content of a CSV file."""

    history: bool = parameter(
        False, "write the steps and their parameters as lines of '# ...' before the names"
    )


class FreeFlagParameters(Parameters):
    """Free-R flags of merged reflections."""

    reference: str | None = parameter(
        None, "MTZ file whose free-R flags are kept; reflections that it lacks get new ones"
    )


class ExportParameters(Parameters):
    """Parameters of `dxdask export`."""

    format: Format | None = parameter(
        None,
        "mtz, mmcif (merged reflections, a block a wavelength), dials (.expt and .refl), csv, "
        "parquet (needs pyarrow), hkl (CrystFEL's list of merged reflections), stream (CrystFEL's, "
        "of stills), xds_ascii (scaled observations, a file a run) or shelx (HKLF 4, merged); "
        "default: by the ending of output, else mtz",
    )
    output: str | None = parameter(None, "file to write; default: the step's name, in this folder")
    step: str | None = parameter(None, "step to write; default: the last one of the format's kind")
    overwrite: bool = parameter(True, "replace a file that is there")
    branch: str = parameter("main", "Branch of the store.")
    mtz: MtzParameters = MtzParameters()
    csv: CsvParameters = CsvParameters()
    r_free_flags: FreeFlagParameters = FreeFlagParameters()


def format_of(parameters: ExportParameters) -> Format:
    """Return the format given, else that of the ending of `output`, mtz without one.

    Raises
    ------
    ParameterError
        The ending is of no format, or of several.
    """
    if parameters.format is not None:
        return parameters.format
    if parameters.output is None:
        return "mtz"
    suffix = Path(parameters.output).suffix
    if suffix == ".hkl":
        raise ParameterError(
            f"{parameters.output} may be CrystFEL's or SHELX's: give format=hkl or format=shelx"
        )
    found = _FORMATS.get(suffix, _FORMATS.get(suffix.lower()))
    if found is None:
        raise ParameterError(
            f"no format is known by the ending of output={parameters.output}: give format= one of "
            f"{', '.join(SUFFIX)}, or one of the endings {', '.join(_FORMATS)}"
        )
    return found
