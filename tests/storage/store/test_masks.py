"""Files of masks and gains, hostile ones too, and the masks that steps leave in a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.store_examples import edit

from dxdask.errors import (
    FormatError,
    InputError,
    SchemaError,
    StoreNotFoundError,
    StoreWriteError,
)
from dxdask.models import Beam, Detector, Experiment, ExperimentList, Panel
from dxdask.results import StepResult
from dxdask.storage.store import masks
from dxdask.storage.store.provenance import CONTENTS
from dxdask.storage.store.store import Store

SHAPE = (6, 9)
DETECTOR = Detector(panels=(Panel(image_size=(9, 6)),))


def experiments(*runs: str) -> ExperimentList:
    return ExperimentList.of(
        [Experiment(identifier=r, run=r, beam=Beam(), detector=DETECTOR) for r in runs]
    )


def result(*runs: str, **arrays: Any) -> StepResult:
    return StepResult(experiments=experiments(*runs), reflections={}, arrays=arrays)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store.create(tmp_path / "s.zarr")
    good = np.ones(SHAPE, bool)
    good[0] = False
    for run, experiment in zip("ab", experiments("a", "b"), strict=True):
        with made.writing():
            writer = made.create_run(
                run, experiment, n_images=1, shape=SHAPE, dtype=np.uint16, mask=good,
                fingerprint=f"print of {run}",
            )  # fmt: skip
            writer.write(0, np.zeros((1, *SHAPE), np.uint16))
            writer.finish()
    return made


def apply(store: Store, **applied: Any) -> None:
    contents = {
        run: masks.contents_of_run(
            store.run_attributes(run)["id"],
            store.imported_mask(run) & mask,
            store.imported_mask(run),
        )
        for run, mask in applied.items()
    }
    store.write_step(masks.APPLIED, result("a", "b", **applied), parameters={CONTENTS: contents})


def test_files_come_back(tmp_path: Path) -> None:
    mask = np.random.default_rng(1).random(SHAPE) > 0.5
    masks.write_npy(tmp_path / "new" / "m.npy", mask)
    np.testing.assert_array_equal(masks.read_mask(tmp_path / "new" / "m.npy", "mask"), mask)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["m.npy"]
    for dtype in (np.float32, np.float64, np.int16, ">f8"):
        masks.write_npy(tmp_path / "g.npy", np.full(SHAPE, 2, dtype))
        gains = masks.read_gain_map(tmp_path / "g.npy", "gain_map")
        assert gains.dtype == np.float64
        assert (gains == 2.0).all()
    with pytest.raises(StoreWriteError, match=r"cannot write .*m\.npy/no\.npy"):
        masks.write_npy(tmp_path / "new" / "m.npy" / "no.npy", mask)


def write(path: Path, kind: str) -> Path:
    """Write a file that is no mask and no gain map."""
    header = "{'descr': '|b1', 'fortran_order': False, 'shape': (%d, %d), }"
    if kind == "text":
        path.write_text("not a mask")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pickle":
        np.save(path, np.array([[{}, 1]], dtype=object), allow_pickle=True)
    elif kind == "archive":
        with path.open("wb") as file:
            np.savez(file, a=np.ones(SHAPE, bool))
    elif kind == "one axis":
        np.save(path, np.ones(5, bool))
    elif kind == "structured":
        np.save(path, np.zeros(SHAPE, dtype=[("a", "?")]))
    elif kind == "complex":
        np.save(path, np.zeros(SHAPE, dtype=complex))
    elif kind != "missing":
        size = {"huge": 10**9, "negative": -3, "truncated": 50}[kind]
        text = (header % (size, size)).ljust(117) + "\n"
        path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode())
    return path


@pytest.mark.parametrize(
    "kind",
    [
        "missing", "text", "folder", "pickle", "archive", "one axis", "structured", "complex",
        "huge", "negative", "truncated",
    ],
)  # fmt: skip
@pytest.mark.parametrize("read", [masks.read_mask, masks.read_gain_map])
def test_arrays_that_are_no_mask_are_refused(kind: str, read: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "m.npy", kind)
    with pytest.raises(FormatError, match=r"lookup\.x=.*m\.npy"):
        read(path, "lookup.x")


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_gains_must_be_finite_and_above_0(value: float, tmp_path: Path) -> None:
    gains = np.ones(SHAPE)
    gains[2, 3] = value
    np.save(tmp_path / "g.npy", gains)
    with pytest.raises(InputError, match=rf"1 gains .* first {value} at slow 2, fast 3"):
        masks.read_gain_map(tmp_path / "g.npy", "gain_map")


def test_digests_depend_on_dtype_shape_and_content() -> None:
    one = np.zeros((2, 6), bool)
    other = one.copy()
    other[1, 5] = True
    found = {masks.digest(x) for x in (one, other, one.reshape(3, 4), one.view(np.uint8))}
    assert len(found) == 4
    assert masks.digest(one.T.copy().T) == masks.digest(one)


def test_a_mask_applied_holds_with_the_imported_one(store: Store) -> None:
    imported = store.mask("a")
    before = store.frames_fingerprint("a")
    assert before == "print of a"
    assert store.applied_mask("a") is None
    mask = np.ones(SHAPE, bool)
    mask[:, 4] = False
    apply(store, a=mask, b=np.ones(SHAPE, bool))
    np.testing.assert_array_equal(store.mask("a"), imported & mask)
    np.testing.assert_array_equal(store.imported_mask("a"), imported)
    assert store.frames_fingerprint("a") != before
    assert store.frames_fingerprint("b") == "print of b"  # nothing more is masked
    apply(store)
    np.testing.assert_array_equal(store.mask("a"), imported)
    assert store.frames_fingerprint("a") == before


def test_a_run_imported_again_has_no_mask_applied(store: Store) -> None:
    mask = np.zeros(SHAPE, bool)
    apply(store, a=mask, b=mask)
    with store.writing():
        writer = store.create_run(
            "a", experiments("a")[0], n_images=1, shape=(6, 9), dtype=np.uint16,
            fingerprint="other", overwrite=True,
        )  # fmt: skip
        writer.write(0, np.zeros((1, *SHAPE), np.uint16))
        writer.finish()
    assert store.mask("a").all()
    assert store.frames_fingerprint("a") == "other"
    assert not store.mask("b").any()


def test_masks_of_steps(store: Store) -> None:
    made = np.random.default_rng(2).random((2, *SHAPE)) > 0.5
    store.write_step("generate_mask", result("a", "b", mask=made))
    np.testing.assert_array_equal(masks.of_step(store.path, "generate_mask", "mask", "b"), made[1])
    store.write_step("generate_mask", result("a", "b", mask_a=made[0], mask_b=made[1][:3]))
    found = masks.of_step(store.path, "generate_mask", "mask", "b")
    np.testing.assert_array_equal(found, made[1][:3])
    with pytest.raises(StoreNotFoundError, match="made no hot mask of run a"):
        masks.of_step(store.path, "generate_mask", "hot_mask", "a")
    store.write_step("generate_mask", result("a", mask=made[:1]))
    with pytest.raises(StoreNotFoundError, match="was run on a, not on b; run it again"):
        masks.of_step(store.path, "generate_mask", "mask", "b")
    store.write_step("generate_mask", result("a", "b", mask=made.astype(np.uint8)))
    with pytest.raises(SchemaError, match="uint8"):
        masks.of_step(store.path, "generate_mask", "mask", "b")


@pytest.mark.parametrize("parameters", [{"contents": 3}, {"contents": {"a": 3}}, {}])
def test_a_stored_mask_is_checked(store: Store, parameters: Any) -> None:
    apply(store, a=np.zeros(SHAPE, bool))
    file = store.path / "results/main" / masks.APPLIED / "zarr.json"
    content = json.loads(file.read_text())
    content["attributes"]["parameters"] = parameters
    file.write_text(json.dumps(content))
    assert store.applied_mask("a") is None
    assert store.frames_fingerprint("a") == "print of a"


def test_a_damaged_manifest_is_no_missing_mask(store: Store) -> None:
    apply(store, a=np.zeros(SHAPE, bool))
    edit(
        store.path / "results/main" / masks.APPLIED, lambda m: m["attributes"].update(parameters=3)
    )
    with pytest.raises(SchemaError, match=r"manifest of .* is damaged"):
        store.applied_mask("a")


def test_a_mask_of_another_size_is_an_error(store: Store) -> None:
    contents = {"a": {"run": store.run_attributes("a")["id"], "digest": "x"}}
    step = result("a", a=np.ones((2, 9), bool))
    store.write_step(masks.APPLIED, step, parameters={CONTENTS: contents})
    with pytest.raises(SchemaError, match=r"is \(2, 9\), its frames are \(6, 9\)"):
        store.mask("a")


def test_a_damaged_mask_is_an_error(store: Store) -> None:
    apply(store, a=np.zeros(SHAPE, bool))
    folder = store.path / "results/main" / masks.APPLIED / "arrays" / "a"
    next(p for p in (folder / "c").rglob("*") if p.is_file()).unlink()
    with pytest.raises(SchemaError, match="mask applied to run 'a'"):
        store.mask("a")
