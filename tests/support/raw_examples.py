"""Small raw files for the tests: NXmx, miniCBF, full CBF and SMV, written here byte by byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray


def write_nxmx(path: Path, frames: NDArray[Any], *, width: float = 0.5, **changes: Any) -> Path:
    """Write frames (n, slow, fast) as NXmx, one module at 100 mm; `changes` replace datasets."""
    n_images, slow, fast = frames.shape
    with h5py.File(path, "w") as file:
        entry = group(file, "entry", "NXentry")
        entry["definition"] = "NXmx"
        data = group(entry, "data", "NXdata")
        data["data"] = frames
        instrument = group(entry, "instrument", "NXinstrument")
        beam = group(instrument, "beam", "NXbeam")
        beam["incident_wavelength"] = 1.0
        detector = group(instrument, "detector", "NXdetector")
        detector["sensor_material"] = "Si"
        detector["sensor_thickness"] = 0.32
        detector["sensor_thickness"].attrs["units"] = "mm"
        detector["saturation_value"] = 1000
        detector["count_time"] = 0.1
        detector["pixel_mask"] = np.zeros((slow, fast), dtype=np.uint32)
        moves = group(detector, "transformations", "NXtransformations")
        axis(moves, "det_z", 100.0, (0, 0, 1), "translation", "mm", ".")
        module = group(detector, "module", "NXdetector_module")
        module["data_origin"] = [0, 0]
        module["data_size"] = [slow, fast]
        carrier = "/entry/instrument/detector/transformations/det_z"
        offset = {"offset": [10.0, 20.0, 0.0], "offset_units": "mm"}
        axis(module, "module_offset", 0.0, (1, 0, 0), "translation", "mm", carrier, **offset)
        for name, vector in (("fast", (-1, 0, 0)), ("slow", (0, -1, 0))):
            axis(
                module, f"{name}_pixel_direction", 1e-4, vector, "translation", "m", "module_offset"
            )
        sample = group(entry, "sample", "NXsample")
        sample["depends_on"] = "transformations/omega"
        transformations = group(sample, "transformations", "NXtransformations")
        angles = width * np.arange(n_images)
        axis(transformations, "omega", angles, (-1, 0, 0), "rotation", "deg", ".")
        for where, value in changes.items():
            name = where.replace("__", "/")
            if name in file:
                attributes = dict(file[name].attrs)
                del file[name]
            else:
                attributes = {}
            if value is not None:
                file[name] = value
                file[name].attrs.update(attributes)
    return path


def group(parent: h5py.Group, name: str, kind: str) -> h5py.Group:
    """Make a NeXus group."""
    out = parent.create_group(name)
    out.attrs["NX_class"] = kind
    return out


def axis(
    parent: h5py.Group,
    name: str,
    values: Any,
    vector: tuple[float, ...],
    kind: str,
    units: str,
    depends_on: str,
    **attributes: Any,
) -> None:
    """Make a NeXus transformation."""
    parent[name] = np.atleast_1d(values).astype(float)
    parent[name].attrs.update(
        vector=np.array(vector, dtype=float),
        transformation_type=kind,
        units=units,
        depends_on=depends_on,
        **attributes,
    )


def byte_offset(values: NDArray[np.int32]) -> bytes:
    """Return numbers compressed by differences in 1, 2, 4 or 8 bytes, each number on its own."""
    out = bytearray()
    before = 0
    for value in values.ravel().tolist():
        delta, before = value - before, value
        for width in (1, 2, 4, 8):
            lowest = -(1 << (8 * width - 1))
            if lowest < delta < -lowest:
                out += delta.to_bytes(width, "little", signed=True)
                break
            out += lowest.to_bytes(width, "little", signed=True)
    return bytes(out)


def write_cbf(path: Path, image: NDArray[np.int32], **changes: Any) -> Path:
    """Write an image (slow, fast) as a Pilatus does; `changes` replace values, None drops one."""
    header: dict[str, Any] = {
        "Pixel_size": "172e-6 m x 172e-6 m",
        "Silicon": "sensor, thickness 0.000320 m",
        "Exposure_period": "0.1 s",
        "Count_cutoff": "1000 counts",
        "Wavelength": "1.0 A",
        "Detector_distance": "0.2 m",
        "Beam_xy": "(3.0, 2.0) pixels",
        "Start_angle": "10.0 deg.",
        "Angle_increment": "0.5 deg.",
    }
    size = changes.pop("size", None)
    header |= changes
    data = byte_offset(image)
    slow, fast = image.shape
    lines = "".join(f"# {k} {v}\r\n" for k, v in header.items() if v is not None)
    text = (
        "###CBF: VERSION 1.5\r\ndata_image\r\n"
        '_array_data.header_convention "PILATUS_1.2"\r\n_array_data.header_contents\r\n;\r\n'
        f"{lines};\r\n_array_data.data\r\n;\r\n--CIF-BINARY-FORMAT-SECTION--\r\n"
        'Content-Type: application/octet-stream;\r\n     conversions="x-CBF_BYTE_OFFSET"\r\n'
        f"X-Binary-Size: {size or len(data)}\r\n"
        'X-Binary-Element-Type: "signed 32-bit integer"\r\n'
        "X-Binary-Element-Byte-Order: LITTLE_ENDIAN\r\n"
        f"X-Binary-Number-of-Elements: {slow * fast}\r\n"
        f"X-Binary-Size-Fastest-Dimension: {fast}\r\nX-Binary-Size-Second-Dimension: {slow}\r\n\r\n"
    )
    path.write_bytes(text.encode() + b"\x0c\x1a\x04\xd5" + data)
    return path


def write_smv(path: Path, image: NDArray[np.uint16], **changes: Any) -> Path:
    """Write an image (slow, fast) as ADSC detectors do; `changes` replace header values."""
    header: dict[str, Any] = {
        "HEADER_BYTES": 512,
        "BYTE_ORDER": "little_endian",
        "TYPE": "unsigned_short",
        "SIZE1": image.shape[1],
        "SIZE2": image.shape[0],
        "PIXEL_SIZE": 0.1,
        "DISTANCE": 100.0,
        "WAVELENGTH": 0.9,
        "BEAM_CENTER_X": 2.0,
        "BEAM_CENTER_Y": 3.0,
        "OSC_START": 0.0,
        "OSC_RANGE": 1.0,
        "TIME": 1.0,
    }
    header |= changes
    order = "<u2" if header["BYTE_ORDER"] == "little_endian" else ">u2"
    lines = "".join(f"{k}={v};\n" for k, v in header.items() if v is not None)
    text = ("{\n" + lines + "}\n").encode()
    path.write_bytes(text.ljust(512) + image.astype(order).tobytes())
    return path
