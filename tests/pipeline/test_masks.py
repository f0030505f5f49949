"""generate_mask, apply_mask and the lookup files, on a small ensemble whose frames are known."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dxdask
from dxdask.cli.main import run as command
from dxdask.errors import (
    ConvergenceError,
    DxdaskError,
    FormatError,
    InputError,
    ParameterError,
    StoreNotFoundError,
)
from dxdask.pipeline.mask_files import files_of_runs
from dxdask.results import StepResult
from dxdask.storage.store.store import Store

FRAME = (264, 256)


@pytest.fixture(scope="module")
def imported(raw: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("masks") / "imported.zarr"
    dxdask.import_(raw[:2], path)
    return path


@pytest.fixture
def store(imported: Path, tmp_path: Path) -> Store:
    shutil.copytree(imported, tmp_path / "s.zarr")
    return dxdask.open(tmp_path / "s.zarr")


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """Return a file with a mask of the right half of the frame."""
    mask = np.ones(FRAME, bool)
    mask[:, 128:] = False
    np.save(tmp_path / "half.npy", mask)
    return tmp_path / "half.npy"


def spots(store: Store, **parameters: Any) -> Any:
    dxdask.find_spots(store, show=dxdask.quiet, **parameters)
    return store.columns("find_spots", ["panel", "x", "y", "bbox"])


def version(store: Store, step: str = "find_spots") -> str:
    return str(store.step_attributes(step)["id"])


def generate(store: Store, **parameters: Any) -> Any:
    dxdask.generate_mask(store, show=dxdask.quiet, **parameters)
    return store.arrays("generate_mask")["mask"]


def apply(store: Store, *names: object, **parameters: Any) -> None:
    mask = [str(n) for n in names] or None
    dxdask.apply_mask(store, show=dxdask.quiet, mask=mask, **parameters)


def test_generate_mask(store: Store, tmp_path: Path) -> None:
    shown = []
    output = tmp_path / "new" / "pixels.npy"
    dxdask.generate_mask(
        store,
        border=5,
        untrusted=[{"circle": (60, 60, 20)}, {"panel": 1, "rectangle": (0, 9, 0, 7)}],
        output={"mask": output},
        show=lambda _, name: shown.append(name),
    )
    assert shown == ["generate_mask"]
    mask = store.arrays("generate_mask")["mask"]
    expected = np.zeros(FRAME, bool)
    inside = np.zeros((128, 256), bool)
    inside[5:-5, 5:-5] = True
    expected[:128] = inside
    expected[136:] = inside
    y, x = np.mgrid[: FRAME[0], : FRAME[1]]
    expected[(x - 60) ** 2 + (y - 60) ** 2 < 400] = False
    expected[136:143, :9] = False
    assert mask.shape == (2, *FRAME)
    np.testing.assert_array_equal(mask[0], expected)
    np.testing.assert_array_equal(mask[1], expected)
    np.testing.assert_array_equal(np.load(output), expected)
    rows = store.table("generate_mask", "masks")
    assert list(rows["panel"]) == [0, 1, 0, 1]
    assert rows["n_masked"].sum() == 2 * (~expected)[np.r_[:128, 136:264]].sum()


def test_the_same_mask_is_not_made_again_but_written(store: Store, tmp_path: Path) -> None:
    output = tmp_path / "pixels.npy"
    generate(store, border=5, output={"mask": output})
    before = version(store, "generate_mask")
    output.unlink()
    generate(store, border=5, output={"mask": output})
    assert version(store, "generate_mask") == before
    assert output.exists()
    generate(store, border=6)
    assert version(store, "generate_mask") != before


def test_masks_that_differ_have_a_file_each(tmp_path: Path) -> None:
    one, other = np.ones((3, 4), bool), np.zeros((3, 4), bool)
    files = files_of_runs(tmp_path / "m.npy", {"a": one, "b": other})
    assert list(files) == [tmp_path / "m_a.npy", tmp_path / "m_b.npy"]
    assert list(files_of_runs(tmp_path / "m", {"a": one, "b": one.copy()})) == [tmp_path / "m.npy"]


def test_a_mask_applied_is_used_until_another_or_none_is(store: Store, half: Path) -> None:
    everywhere, before = spots(store), version(store)
    assert (everywhere["x"] > 130).any()
    apply(store, half)
    for run in store.runs:
        good = store.imported_mask(run)
        np.testing.assert_array_equal(store.mask(run), good & np.load(half))
        assert not np.array_equal(store.mask(run), good)
    left = spots(store)
    assert version(store) != before
    assert len(left["x"])
    assert left["bbox"][:, 1].max() <= 128
    mask = ~np.load(half)
    np.save(half, mask)
    apply(store, half)
    assert (spots(store)["bbox"][:, 0] >= 128).all()
    apply(store)
    np.testing.assert_array_equal(store.mask(store.runs[0]), store.imported_mask(store.runs[0]))
    again = spots(store)
    for name, values in everywhere.items():
        np.testing.assert_array_equal(again[name], values)


def test_steps_and_files_are_put_together(store: Store, half: Path) -> None:
    made = generate(store, border=20)[0]
    apply(store, "generate_mask", half)
    good = store.imported_mask(store.runs[1])
    np.testing.assert_array_equal(store.mask(store.runs[1]), good & made & np.load(half))
    rows = store.table("apply_mask", "masks")
    on_panels = np.r_[:128, 136:264]
    assert list(rows["n_imported"]) == [
        (~store.imported_mask(r)[on_panels]).sum() for r in store.runs
    ]
    assert list(rows["n_masked"]) == [(~store.mask(r)[on_panels]).sum() for r in store.runs]
    before = store.mask(store.runs[0])
    first = version(store, "apply_mask")
    apply(store, half, "generate_mask", half)
    np.testing.assert_array_equal(store.mask(store.runs[0]), before)
    apply(store, half, "generate_mask", half)
    assert first != version(store, "apply_mask")
    assert len([h for h in store.history() if h["step"] == "apply_mask"]) == 2


def test_masks_of_other_steps(store: Store) -> None:
    hot = np.ones((2, *FRAME), bool)
    hot[0, 3, 4] = hot[1, 5, 6] = False
    experiments = store.imported()
    result = StepResult(experiments=experiments, reflections={}, arrays={"hot_mask": hot})
    store.write_step("find_spots", result)
    bad = {f"mask_{run}": np.ones(FRAME, bool) for run in store.runs}
    bad[f"mask_{store.runs[0]}"][7, 8] = False
    store.write_step(
        "find_bad_pixels", StepResult(experiments=experiments, reflections={}, arrays=bad)
    )
    apply(store, "find_spots", "find_bad_pixels")
    masked = [np.argwhere(~store.applied_mask(run)).tolist() for run in store.runs]
    assert masked == [[[3, 4], [7, 8]], [[5, 6]]]


def test_a_mask_that_masks_no_more_makes_nothing_run_again(store: Store, tmp_path: Path) -> None:
    spots(store)
    before = version(store)
    np.save(tmp_path / "all.npy", np.ones(FRAME, bool))
    apply(store, tmp_path / "all.npy")
    spots(store)
    assert version(store) == before


def test_process_and_import_know_the_runs_and_use_the_mask(
    raw: list[Path], store: Store, half: Path
) -> None:
    from support.ensemble_example import QUICK

    apply(store, half)
    dxdask.import_(raw[:2], store.path)
    assert not store.mask(store.runs[0])[:, 128:].any()
    masked = spots(store)
    before = version(store)
    # a lattice need not be found in half of so small a frame: what matters here is find_spots
    with suppress(DxdaskError):
        dxdask.process(raw[:2], store.path, show=dxdask.quiet, **QUICK)
    assert version(store) == before
    assert masked["bbox"][:, 1].max() <= 128


def test_integrating_needs_spots_of_the_masked_frames(
    processed: Store, tmp_path: Path, half: Path
) -> None:
    shutil.copytree(processed.path, tmp_path / "p.zarr")
    store = dxdask.open(tmp_path / "p.zarr")
    apply(store, half)
    with pytest.raises(InputError, match=r"find_spots in .* other input.*run it again"):
        dxdask.integrate(store, show=dxdask.quiet)
    apply(store)
    before = version(store, "integrate")
    dxdask.integrate(store, show=dxdask.quiet)
    assert version(store, "integrate") == before


def test_lookup_mask(store: Store, half: Path) -> None:
    found = spots(store, lookup={"mask": half})
    assert found["bbox"][:, 1].max() <= 128
    before = version(store)
    spots(store, lookup={"mask": half})
    assert version(store) == before
    status = os.stat(half)
    np.save(half, ~np.load(half))
    os.utime(half, ns=(status.st_atime_ns, status.st_mtime_ns))  # the content decides, not the time
    assert (spots(store, lookup={"mask": half})["bbox"][:, 0] >= 128).all()
    assert version(store) != before
    half.unlink()
    with suppress(ConvergenceError):  # in half of so small a frame
        dxdask.index(store, show=dxdask.quiet, space_group="I213", n_points=64, n_macro_cycles=1)
    with pytest.raises(FormatError, match=r"lookup\.mask"):
        spots(store, lookup={"mask": half})
    shown = store.step_attributes("find_spots")["parameters"]
    assert set(shown["contents"]) == {"lookup.mask"}


def test_lookup_mask_combines_with_the_one_applied(
    store: Store, half: Path, tmp_path: Path
) -> None:
    other = np.ones(FRAME, bool)
    other[:136] = False
    np.save(tmp_path / "other.npy", other)
    apply(store, half)
    found = spots(store, lookup={"mask": tmp_path / "other.npy"})
    assert len(found["x"])
    assert found["bbox"][:, 1].max() <= 128
    assert set(found["panel"]) == {1}


def test_files_that_do_not_fit(store: Store, tmp_path: Path) -> None:
    small, wrong = tmp_path / "small.npy", tmp_path / "wrong.npy"
    np.save(small, np.ones((5, 6), bool))
    np.save(wrong, np.ones(FRAME))
    np.save(tmp_path / "zero.npy", np.zeros(FRAME))
    np.save(tmp_path / "flat.npy", np.ones((5, 6)))
    size = r"small\.npy is \(5, 6\), the frames of run tiny_1 are \(264, 256\)"
    with pytest.raises(InputError, match=size):
        spots(store, lookup={"mask": small})
    with pytest.raises(InputError, match=size):
        apply(store, small)
    with pytest.raises(FormatError, match=r"wrong\.npy is float64 \(264, 256\), not bool"):
        apply(store, wrong)
    with pytest.raises(InputError, match=r"zero\.npy has 67584 gains .* first 0\.0 at slow 0"):
        spots(store, lookup={"gain_map": tmp_path / "zero.npy"})
    with pytest.raises(InputError, match=r"flat\.npy is \(5, 6\)"):
        spots(store, lookup={"gain_map": tmp_path / "flat.npy"})
    with pytest.raises(InputError, match=r"mask=nothing\.npy: no such file, and no step"):
        apply(store, "nothing.npy")
    with pytest.raises(StoreNotFoundError, match=r"no result of generate_mask; run: dxdask gen"):
        apply(store, "generate_mask")
    assert not store.has_step("find_spots")
    assert not store.has_step("apply_mask")


def test_gain_map(store: Store, tmp_path: Path) -> None:
    alone = spots(store)
    gain = np.ones(FRAME)
    np.save(tmp_path / "gain.npy", gain)
    same = spots(store, lookup={"gain_map": tmp_path / "gain.npy"})
    before = version(store)
    for name, values in alone.items():
        np.testing.assert_array_equal(same[name], values)
    gain[:, :128] = 50.0  # what stands out by far less than its noise is no spot
    np.save(tmp_path / "gain.npy", gain.astype(np.float32))
    found = spots(store, lookup={"gain_map": tmp_path / "gain.npy"})
    assert version(store) != before
    left, right = found["x"] < 124, found["x"] > 132
    assert left.sum() < (alone["x"] < 124).sum()
    assert right.sum() == (alone["x"] > 132).sum()
    everywhere = spots(store, gain=50.0)
    assert left.sum() == (everywhere["x"] < 124).sum()


def test_region_of_interest(store: Store) -> None:
    found = spots(store, region_of_interest=(20, 90, 10, 70))
    assert set(found["panel"]) == {0, 1}
    box = found["bbox"]
    assert (box[:, 0] >= 20).all()
    assert (box[:, 1] <= 90).all()
    assert (box[:, 2] >= 10).all()
    assert (box[:, 3] <= 70).all()
    for region in ((0, 257, 0, 10), (0, 10, 0, 129), (10, 10, 0, 5), (20, 10, 0, 5)):
        with pytest.raises(DxdaskError, match="region_of_interest"):
            spots(store, region_of_interest=region)


def test_a_hot_mask(store: Store) -> None:
    spots(store, write_hot_mask=True)
    hot = store.arrays("find_spots")["hot_mask"]
    assert hot.shape == (2, *FRAME)
    apply(store, "find_spots")
    for run, mask in zip(store.runs, hot, strict=True):
        np.testing.assert_array_equal(store.mask(run), store.imported_mask(run) & mask)


def test_a_gain_map_and_a_gain_are_refused_together(store: Store, tmp_path: Path) -> None:
    np.save(tmp_path / "gain.npy", np.ones(FRAME))
    with pytest.raises(ParameterError, match=r"gain_map=.*gain\.npy and .*gain=2 are both given"):
        spots(store, lookup={"gain_map": tmp_path / "gain.npy"}, gain=2.0)


def test_hot_masks_and_nothing_to_apply(store: Store) -> None:
    spots(store)
    with pytest.raises(StoreNotFoundError, match=r"no hot mask .*; run: .*write_hot_mask"):
        apply(store, "find_spots")
    with pytest.raises(ParameterError, match="mask=none"):
        dxdask.apply_mask(store, show=dxdask.quiet)


def test_the_command_line(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pixels.npy"
    shapes = ["untrusted.circle=60,60,20", "untrusted.circle=30,30,9", "untrusted.panel=1"]
    assert command(["generate_mask", str(store.path), *shapes, f"output.mask={file}"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("  generate_mask.untrusted.circle = ") == 2
    assert f"wrote {file}" in printed
    assert "Ice rings" in printed
    assert not np.load(file)[136 + 30, 30]
    assert command(["apply_mask", str(store.path), f"mask={file}", "mask=generate_mask"]) == 0
    assert f"Masks applied: {file}, generate_mask" in capsys.readouterr().out
    assert not store.mask("tiny_1")[60, 60]
    assert command(["apply_mask", str(store.path), "mask=none", "--json"]) == 0
    assert store.mask("tiny_1")[60, 60]
    assert command(["apply_mask", str(store.path)]) == 2
    assert command(["apply_mask", str(store.path), "input.mask=nothing.npy"]) == 1
    assert command(["generate_mask", str(store.path), "untrusted.circle=900,0,5"]) == 1
    assert "untrusted.circle=900,0,5 is outside panel 0" in capsys.readouterr().err


def test_process_takes_parameters_of_its_own_steps_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command(["process", "-c", "border=3", "mask=x.npy", "space_group=P1"]) == 0
    printed = capsys.readouterr().out
    assert "spotfinder.filter.border = 3" in printed
    assert "\nlookup.mask = x.npy" in printed
    assert "\ngenerate_mask." not in printed
    assert command(["process", "-c", "generate_mask.border=3"]) == 2
    assert "spotfinder.filter.border" in capsys.readouterr().err
