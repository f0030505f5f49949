"""Pixels that a CrystFEL geometry marks as bad: masks, regions, values."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from support.crystfel_files import FAST, HEAD, SLOW, N, counts, events, geometry, run_of

import dxdask
from dxdask.errors import FormatError, InputError
from dxdask.storage.store.store import Store

BITS = np.zeros((SLOW, FAST), np.uint32)
BITS[0], BITS[3], BITS[5] = 0x1, 0x200, 0x201
"""Rows 0 and 5 have bit 0x1, rows 3 and 5 bit 0x200."""


def bad_rows(folder: Path, head: dict[str, str], **panels: dict[str, str]) -> list[int]:
    """Return the rows that are masked, of which all pixels are."""
    mask = run_of(events(folder, bits=BITS), geometry(folder, head, **panels)).mask
    assert (mask.all(axis=1) | ~mask.any(axis=1)).all()
    return np.flatnonzero(~mask[:, 0]).tolist()


@pytest.mark.parametrize("names", ["old", "new", "last"])
@pytest.mark.parametrize(
    ("good", "bad", "rows"),
    [
        (None, "0x1", [0, 5]),
        ("0x0000", "0x201", [0, 3, 5]),
        ("0x1", None, [1, 2, 3, 4, 6, 7]),
        ("513", "0x0", [0, 1, 2, 3, 4, 6, 7]),
        ("512.0", "1", [0, 1, 2, 4, 5, 6, 7]),
        ("0", "0xffffffff", [0, 3, 5]),
        ("0", "-1", [0, 3, 5]),
    ],
)
def test_bits_that_good_pixels_have_and_have_not(
    tmp_path: Path, names: str, good: str | None, bad: str | None, rows: list[int]
) -> None:
    data, good_key, bad_key = {
        "old": ("mask", "mask_good", "mask_bad"),
        "new": ("mask0_data", "mask0_goodbits", "mask0_badbits"),
        "last": ("mask7_data", "mask7_goodbits", "mask7_badbits"),
    }[names]
    given = {data: "/bits", good_key: good, bad_key: bad}
    assert bad_rows(tmp_path, {k: v for k, v in given.items() if v is not None}) == rows


def test_masks_of_panels_and_several_masks(tmp_path: Path) -> None:
    own = {"mask0_data": "/bits", "mask0_badbits": "1"}
    assert bad_rows(tmp_path, {}, p0=own) == [0]
    assert bad_rows(tmp_path, {}, p1=own) == [5]
    assert bad_rows(tmp_path, own, p1={"mask_bad": "0x200"}) == [0, 5]
    both = {**own, "mask3_data": "/bits", "mask3_badbits": "0x200"}
    assert bad_rows(tmp_path, both) == [0, 3, 5]


def test_a_mask_without_bits_masks_nothing_and_is_a_problem(tmp_path: Path) -> None:
    run = run_of(events(tmp_path, bits=BITS), geometry(tmp_path, {"mask": "/bits"}))
    assert run.mask.all()
    assert [p for p in run.problems if "masks nothing" in p]
    bits = geometry(tmp_path, {"mask_bad": "0xff"})
    (problem,) = run_of(events(tmp_path), bits).problems
    assert "mask0_data is not given" in problem


@pytest.mark.parametrize("where", ["geometry", "working folder", "absolute"])
def test_a_mask_in_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    for name in ("data", "geometry", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    folder = tmp_path / {"geometry": "geometry", "working folder": "work"}.get(where, "data")
    with h5py.File(folder / "m.h5", "w") as file:
        file["map"] = BITS
    name = str(folder / "m.h5") if where == "absolute" else "m.h5"
    given = {"mask_file": name, "mask": "/map", "mask_bad": "1"}
    path = geometry(tmp_path / "geometry", given)
    run = run_of(events(tmp_path / "data"), path)
    assert np.flatnonzero(~run.mask[:, 0]).tolist() == [0, 5]
    assert (folder / "m.h5") in run.files
    (folder / "m.h5").unlink()
    with pytest.raises(InputError, match=r"mask0_file = .*m\.h5 is neither"):
        run_of(events(tmp_path / "data"), path)


@pytest.mark.parametrize("kind", [np.int8, np.uint64, np.float32, np.bool_])
def test_masks_of_any_type(tmp_path: Path, kind: type) -> None:
    good = np.ones((SLOW, FAST), kind)
    good[2] = 0
    path = geometry(tmp_path, {"mask": "/good", "mask_good": "1"})
    mask = run_of(events(tmp_path, good=good), path).mask
    assert np.flatnonzero(~mask[:, 0]).tolist() == [2]


def test_masks_of_single_events(tmp_path: Path) -> None:
    bits = np.zeros((N, SLOW, FAST), np.uint16)
    bits[:, 1] = 1  # bad in all
    bits[2, 4, 3] = 1  # bad in one
    path = geometry(tmp_path, {"mask": "/bits", "mask_bad": "0xffff"})
    run = run_of(events(tmp_path, bits=bits), path)
    assert np.flatnonzero(~run.mask.all(axis=1)).tolist() == [1]
    frames, expected = run.read(0, N), counts()
    assert frames[2, 4, 3] == 65535
    assert run.experiment.detector[1].trusted_range[1] <= 65535
    expected[bits != 0] = 65535
    assert np.array_equal(frames, expected)
    assert np.array_equal(run.read(2, 3), expected[2:3])
    chosen = run_of(events(tmp_path, bits=bits), path, geometry={"scan": {"image_range": (3, 4)}})
    assert np.array_equal(chosen.read(0, 1), expected[2:3])
    with pytest.raises(FormatError, match="masks other pixels in each event"):
        run_of(events(tmp_path, bits=bits), path, link=True)
    same = np.broadcast_to(bits[:1], bits.shape)
    run = run_of(events(tmp_path, bits=same), path, link=True)
    assert np.flatnonzero(~run.mask.all(axis=1)).tolist() == [1]


def test_masks_that_are_missing_or_of_another_size(tmp_path: Path) -> None:
    path = geometry(tmp_path, {"mask": "/bits", "mask_bad": "1"})
    with pytest.raises(FormatError, match="no mask /bits of numbers"):
        run_of(events(tmp_path), path)
    with pytest.raises(FormatError, match=r"/bits is \(3, 4\), the frames are \(8, 6\)"):
        run_of(events(tmp_path, bits=np.zeros((3, 4), int)), path)
    path = geometry(tmp_path, {"mask": "/%/bits", "mask_bad": "1"})
    with pytest.raises(FormatError, match="it may have no more"):
        run_of(events(tmp_path, bits=BITS), path)


REGION = "bad_a/min_{0} = {2}\nbad_a/max_{0} = {3}\nbad_a/min_{1} = {4}\nbad_a/max_{1} = {5}\n"


def test_bad_regions_in_all_spellings(tmp_path: Path) -> None:
    def masked(text: str) -> list[list[int]]:
        path = geometry(tmp_path, None, text)
        return np.argwhere(~run_of(events(tmp_path), path).mask).tolist()

    both = [[3, 1], [3, 2], [4, 1], [4, 2]]
    assert masked(REGION.format("fs", "ss", 1, 2, 3, 4)) == both
    assert masked(REGION.format("fs", "ss", 1, 2, 3, 4) + "bad_a/panel = p1") == both[2:]
    assert masked("bad_a/panel = p0\n" + REGION.format("ss", "fs", 3, 4, 1, 2)) == both[:2]
    # x = fs - 3 and y = ss - 4 of the first corners of the pixels
    assert masked(REGION.format("x", "y", -2, 0.0, -1, 1)) == both
    assert masked(REGION.format("y", "x", -1, 1, -2, 0.0) + "bad_a/panel = p1") == both[2:]
    text = geometry(tmp_path).read_text()
    path = tmp_path / "before.geom"
    path.write_text(REGION.format("fs", "ss", 1, 2, 3, 4) + "bad_a/panel = p0\n" + text)
    mask = run_of(events(tmp_path), path).mask
    assert np.argwhere(~mask).tolist() == both[:2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (REGION.format("fs", "y", 1, 2, 3, 4), "limits of both x, y and fs, ss"),
        ("bad_a/panel = p0", "limits of neither x, y nor fs, ss"),
        ("bad_a/min_x = 1", "bad_a has no max_x; add bad_a/max_x"),
        (REGION.format("fs", "ss", 2, 1, 3, 4), "min_fs above max_fs; exchange"),
    ],
)
def test_bad_regions_that_are_not_whole(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        run_of(events(tmp_path), geometry(tmp_path, None, text))


def test_a_bad_region_that_masks_nothing_is_a_problem(tmp_path: Path) -> None:
    text = REGION.format("fs", "ss", 90, 91, 3, 4) + "bad_a/is_fsss = 1"
    unknown, nothing = run_of(events(tmp_path), geometry(tmp_path, None, text)).problems
    assert "is_fsss of a bad region is not known" in unknown
    assert "bad_a: masks nothing" in nothing


@pytest.mark.parametrize(("value", "masked"), [("1", True), ("true", True), ("0", False)])
def test_panels_that_are_not_to_be_used(tmp_path: Path, value: str, masked: bool) -> None:
    text = "group_all = p0,p1"
    run = run_of(events(tmp_path), geometry(tmp_path, None, text, p1={"no_index": value}))
    assert run.mask[:4].all()
    assert run.mask[4:].any() is not np.bool_(masked)
    assert run.experiment.detector.root.panels == (0, 1)


def test_edges_of_panels(tmp_path: Path) -> None:
    run = run_of(events(tmp_path), geometry(tmp_path, {"mask_edge_pixels": "1"}))
    inside = np.zeros((SLOW, FAST), np.bool_)
    inside[1:3, 1:5] = inside[5:7, 1:5] = True
    assert np.array_equal(run.mask, inside)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
@pytest.mark.parametrize("link", [True, False])
def test_pixels_flagged_by_value(tmp_path: Path, dtype: type, link: bool) -> None:
    frames = counts(dtype)
    path = events(tmp_path, frames)
    given = {"reference_geometry": geometry(
        tmp_path, {"flag_equal": "3", "flag_lessthan": "2"}, p1={"flag_equal": "30\n"},
        after="", p0={"flag_morethan": "10"},
    )}  # fmt: skip
    store = dxdask.import_([path], output=tmp_path / "s.zarr", input=given, link=link)
    read = store.frames("run").compute()
    assert store.mask("run").all()
    low, high = (p.trusted_range for p in store.run_experiment("run").detector.panels)
    assert low[0] < 2 <= np.nextafter(low[0], np.inf)
    assert low[1] == pytest.approx(10)
    assert high[1] >= 65535
    flagged = np.isin(frames, [3])
    flagged |= (frames == 30) & (np.arange(SLOW)[:, None] >= 4)
    assert flagged.sum() == 2
    assert np.array_equal(read[~flagged], frames[~flagged])
    invalid = np.nan if dtype == np.float32 else np.iinfo(dtype).max
    np.testing.assert_array_equal(read[flagged], invalid)


def test_the_largest_of_several_limits_counts(tmp_path: Path) -> None:
    text = geometry(tmp_path, {"max_adu": "900"}).read_text()
    path = tmp_path / "many.geom"
    path.write_text("flag_lessthan = -5\nflag_lessthan = 2\nflag_morethan = 1e4\n"
                    "flag_equal = 7\nflag_equal = 9\n" + text)  # fmt: skip
    panel = run_of(events(tmp_path), path).experiment.detector[0]
    assert panel.trusted_range == pytest.approx((2, 900))
    assert panel.invalid_values == (7.0, 9.0)


def test_the_store_keeps_flagged_counts_as_recorded(tmp_path: Path) -> None:
    import zarr

    given = {"reference_geometry": geometry(tmp_path, {"flag_equal": "3"})}
    dxdask.import_([events(tmp_path)], output=tmp_path / "s.zarr", input=given)
    recorded = zarr.open_array(tmp_path / "s.zarr/runs/run/frames", mode="r")
    assert np.array_equal(recorded[:], counts())
    assert Store.open(tmp_path / "s.zarr").frame_reader("run").read(0, 1)[0, 0, 3] == 65535


def test_all_values_flagged(tmp_path: Path) -> None:
    path = geometry(tmp_path, {"flag_lessthan": "9", "flag_morethan": "3"})
    with pytest.raises(FormatError, match="flags all values: less than 9, more than 3"):
        run_of(events(tmp_path), path)
    assert "flag_equal" not in HEAD
