"""Numbers of headers: units, brackets, and what is no number."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxdask.storage.importers.header_values import (
    HeaderValues,
    UnreadableValue,
    decimals,
    quantity,
    timestamp,
)

CENTURY = 946684800.0  # 2000-01-01


@pytest.mark.parametrize(
    ("text", "kind", "default", "expected"),
    [
        ("0.110 m", "length", "m", 110.0),
        ("110.0 mm", "length", "m", 110.0),
        ("110", "length", "mm", 110.0),
        ("= 11 cm", "length", "m", 110.0),
        ("172e-6 m", "length", "m", 0.172),
        ("172 um", "length", "m", 0.172),
        ("172 µm", "length", "m", 0.172),
        ("172 microns", "length", "m", 0.172),
        ("0.9", "wavelength", "a", 0.9),
        ("0.9 A", "wavelength", "a", 0.9),
        ("0.9 Å", "wavelength", "a", 0.9),
        ("0.9 Angstroms", "wavelength", "a", 0.9),
        ("0.09 nm", "wavelength", "a", 0.9),
        ("9e-11 m", "wavelength", "a", 0.9),
        ("13.7760220 keV", "wavelength", "a", 0.9),
        ("13776.0220 eV", "wavelength", "a", 0.9),
        ("30.0 deg.", "angle", "deg", 30.0),
        (": 30 degrees", "angle", "deg", 30.0),
        ("30°", "angle", "deg", 30.0),
        ("0.5235987755982988 rad", "angle", "deg", 30.0),
        ("(30)", "angle", "deg", 30.0),
        ("50 ms", "time", "s", 0.05),
        ("1.5D2", "number", "", 150.0),
        ("115897 counts", "number", "", 115897.0),
        ("", "length", "m", None),
        ("(nil)", "length", "m", None),
        ("null", "length", "m", None),
    ],
)
def test_quantities(text, kind, default, expected):
    found = quantity(text, kind, default)
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-7))


@pytest.mark.parametrize("text", ["long", "1.2.3", "nan A", "-inf", "1e999 m", "3 furlong", "--1"])
def test_what_is_no_quantity(text):
    with pytest.raises(UnreadableValue, match=r"is not a|has a unit"):
        quantity(text, "length", "m")


@given(st.text(max_size=300))
def test_any_text_is_a_number_or_an_error(text):
    try:
        found = quantity(text, "length", "mm")
    except UnreadableValue:
        return
    assert found is None or math.isfinite(found)


def test_needed_values_name_what_is_wrong():
    header = HeaderValues(
        path=Path("x.cbf"), values={"wavelength": "0.0000 A", "distance": "110 miles"}
    )
    assert header.needed("wavelength", "Wavelength", unit="a") == 1.0
    assert header.needed("distance", "Distance", unit="m") == 100.0
    header.sizes(lambda: None, "Pixel_size")
    header.centre(lambda: (0.0, 0.0), "Beam_xy")
    assert [m.value for m in header.missing] == [
        "wavelength", "distance", "pixel_size", "beam_centre"
    ]  # fmt: skip
    assert "0 means that it is not known" in header.missing[0].reason
    assert "a unit that is not known (miles)" in header.missing[1].reason
    assert header.missing[2].reason == "x.cbf has no Pixel_size in its header"


@pytest.mark.parametrize(
    "text",
    [
        "2000-01-01T00:00:00.000", "2000-01-01T00:00:00", "2000/Jan/01 00:00:00.000",
        "2000-Jan-01T00:00:00.000", "Sat Jan  1 00:00:00 2000", "Sat Jan  1 00:00:00 PST 2000",
        "2000-01-01T00:00:00.000000000", "01-Jan-2000 00:00:00", "2000-01-01 00:00:00.000000",
    ],
)  # fmt: skip
def test_dates(text):
    assert timestamp(["", text]) == CENTURY


def test_no_date():
    assert timestamp(["", "yesterday"]) is None


def test_decimals():
    assert [decimals(t) for t in ("0.1200 deg.", "10", "", "-3.5")] == [4, 0, 0, 1]
