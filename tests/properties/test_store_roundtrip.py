from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from support.store_examples import assert_same, experiment, experiments, new_store, reflections

from dxdask.columns import COLUMNS
from dxdask.errors import SchemaError
from dxdask.models import ExperimentList
from dxdask.results import StepResult
from dxdask.storage.frames.chunk_codec import ChunkCodec
from dxdask.storage.store import documents, schema
from dxdask.storage.store.commit import commit_step
from dxdask.storage.store.partitions import write_partition
from dxdask.tables import Table

NUMBERS = st.sampled_from(
    ["bool", "int8", "uint16", "int32", "int64", "uint64", "float32", "float64", "complex128"]
)
COUNTS = st.sampled_from(["uint8", "int16", "uint16", "int32", "uint32", "int64", "float32"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
KEYS = st.text("abcxyz_", min_size=1, max_size=6)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def tables_of_reflections(draw: st.DrawFn) -> dict[str, NDArray[Any]]:
    n = draw(st.integers(0, 12))
    names = draw(st.lists(st.sampled_from(sorted(COLUMNS)), unique=True, max_size=5))
    table = {}
    for name in names:
        spec = COLUMNS[name]
        shape = (n, len(spec.parts)) if spec.parts else (n,)
        limits = {"min_value": -1, "max_value": 1} if name == "experiment" else None
        table[name] = draw(hnp.arrays(spec.dtype, shape, elements=limits))
    return table


@st.composite
def step_results(draw: st.DrawFn) -> StepResult:
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)
    arrays = st.dictionaries(
        KEYS.filter(lambda k: k[0] != "_"), hnp.arrays(NUMBERS, shapes), max_size=3
    )
    rows = st.lists(st.dictionaries(KEYS, VALUES, max_size=3), max_size=3)
    tables = [
        Table(name=name, title=draw(st.text(max_size=5)), rows=draw(rows))
        for name in draw(st.lists(KEYS, max_size=2, unique=True))
    ]
    return StepResult(
        experiments=experiments("run1", "run2"),
        reflections=draw(tables_of_reflections()),
        arrays=draw(arrays),
        tables=tuple(tables),
        messages=tuple(draw(st.lists(st.text(max_size=5), max_size=2))),
        problems=tuple(draw(rows)),
    )


FIELDS = ("experiments", "reflections", "arrays", "messages")


def same_document(left: Any, right: Any) -> bool:
    return json.dumps(documents.encode(left)) == json.dumps(documents.encode(right))


@given(value=VALUES)
def test_documents_come_back(value: Any) -> None:
    encoded = json.loads(json.dumps(documents.encode(value), allow_nan=False))
    assert same_document(documents.decode(encoded), value)
    json.dumps(documents.strict(encoded), allow_nan=False)


@settings(max_examples=15)
@given(given_result=step_results(), rows=st.integers(1, 5), size=st.integers(1, 100))
def test_results_come_back_bit_for_bit(given_result: StepResult, rows: int, size: int) -> None:
    kept = schema.ROWS_PER_CHUNK, schema.CHUNK_BYTES
    schema.ROWS_PER_CHUNK, schema.CHUNK_BYTES = rows, size
    try:
        with tempfile.TemporaryDirectory() as folder:
            store = new_store(Path(folder))
            store.write_step("index", given_result)
            found = store.read_step("index")
            json.dumps(store.show(), allow_nan=False)
    finally:
        schema.ROWS_PER_CHUNK, schema.CHUNK_BYTES = kept
    plain = {"tables": (), "problems": ()}
    bare = [
        StepResult(**{f: getattr(r, f) for f in FIELDS}, **plain) for r in (found, given_result)
    ]
    assert_same(*bare)
    for left, right in zip(found.tables, given_result.tables, strict=True):
        assert same_document(left.to_dict(), right.to_dict())
    assert same_document(found.problems, given_result.problems)


@settings(max_examples=15)
@given(data=st.data())
def test_any_split_into_runs_comes_back(data: st.DataObject) -> None:
    """Partitions in any order of writing, some kept from before, give what a whole result gives."""
    runs = data.draw(st.lists(KEYS.filter(lambda k: k[0] != "_"), unique=True, min_size=1))
    members = [data.draw(st.integers(1, 3)) for _ in runs]
    parts = {}
    for i, (run, n) in enumerate(zip(runs, members, strict=True)):
        table = reflections(n, n=data.draw(st.integers(0, 6)), seed=i)
        parts[run] = StepResult(experiments=experiments(*[run] * n), reflections=table)
    firsts = np.cumsum([0, *members])
    rows = {
        name: np.concatenate(
            [
                p.reflections[name] + np.int32(first)
                if name == "experiment"
                else p.reflections[name]
                for first, p in zip(firsts, parts.values(), strict=False)
            ]
        )
        for name in reflections()
    }
    whole = StepResult(
        experiments=ExperimentList.of([e for p in parts.values() for e in p.experiments]),
        reflections=rows,
    )
    kept = data.draw(st.lists(st.sampled_from(runs), unique=True))
    with tempfile.TemporaryDirectory() as folder:
        store = new_store(Path(folder))
        store.write_step("index", whole)
        assert_same(store.read_step("index"), whole)
        with store.writing():
            made = [
                write_partition(
                    store.path, "main", "index", parts[run], run=run, fingerprint="f", parameters={}
                )
                for run in data.draw(st.permutations(runs))
                if run not in kept
            ]
            commit_step(
                store.path, "main", "index", made, kept=kept,
                result=StepResult(experiments=whole.experiments, reflections={}),
                fingerprint="f", parameters={}, seconds={},
            )  # fmt: skip
        assert_same(store.read_step("index"), whole)
        for run, part in parts.items():
            assert_same(store.read_step("index", run=run), part)


@settings(max_examples=20)
@given(data=st.data())
def test_frames_come_back_for_any_chunks(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 6), st.integers(1, 6)))
    images = data.draw(hnp.arrays(data.draw(COUNTS), shape))
    chunk = data.draw(st.integers(1, 4))
    shard = data.draw(st.none() | st.integers(1, 4).map(lambda k: k * chunk))
    with tempfile.TemporaryDirectory() as folder:
        store = new_store(Path(folder))
        with store.writing():
            writer = store.create_run(
                "run1",
                experiment(),
                n_images=len(images),
                shape=images.shape[1:],
                dtype=images.dtype,
                chunk=chunk,
                shard=shard,
            )
            for first, last in data.draw(st.permutations(writer.pending)):
                writer.write(first, images[first:last])
            writer.finish()
        block = writer.step * data.draw(st.integers(1, 3))
        first = data.draw(st.integers(0, len(images) - 1))
        last = data.draw(st.integers(first + 1, len(images)))
        lazy = store.frames("run1", block=block)
        assert lazy.compute(scheduler="sync").tobytes() == images.tobytes()
        assert (
            store.frame_reader("run1").read(first, last).tobytes() == images[first:last].tobytes()
        )
        array = zarr.open_array(store.path / "runs" / "run1" / "frames", mode="r")
        assert np.asarray(array[:]).tobytes() == images.tobytes()


@given(content=st.binary(max_size=200), chunk=st.integers(1, 2))
def test_rubbish_is_an_error_and_never_a_frame(content: bytes, chunk: int) -> None:
    codec = ChunkCodec((2, 3, 3), "uint16", chunk, chunk)
    out = np.empty(codec.chunk_shape, np.uint16)
    try:
        codec.decode(content, out)
    except SchemaError:
        return
    raise AssertionError("rubbish was taken for a frame")


@given(
    shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=10**6),
    itemsize=st.sampled_from([1, 2, 4, 8, 16]),
)
@example(shape=(30, 34953, 0), itemsize=16)
def test_chunks_are_bounded(shape: tuple[int, ...], itemsize: int) -> None:
    chunks = schema.chunk_shape(shape, itemsize)
    assert len(chunks) == len(shape)
    assert all(1 <= c <= max(1, n) for c, n in zip(chunks, shape, strict=True))
    assert np.prod(chunks, dtype=object) * itemsize <= schema.CHUNK_BYTES
