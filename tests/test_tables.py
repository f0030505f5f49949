"""Tables print like DIALS's and survive being stored."""

from __future__ import annotations

import pytest

from dxdask.errors import SchemaError
from dxdask.models import ExperimentList
from dxdask.results import StepResult
from dxdask.tables import Table

TABLE = Table(
    name="rmsds",
    title="RMSDs by experiment",
    rows=[{"experiment": 0, "x": 0.25, "note": None}, {"experiment": 10, "x": 1.5, "note": [1]}],
    headings={"x": ("RMSD_X\n(px)", ".5f")},
)


def test_print() -> None:
    assert str(TABLE).splitlines() == [
        "RMSDs by experiment:",
        "+------------+---------+------+",
        "| experiment |  RMSD_X | note |",
        "|            |    (px) |      |",
        "+------------+---------+------+",
        "|          0 | 0.25000 |    - |",
        "|         10 | 1.50000 |  [1] |",
        "+------------+---------+------+",
    ]


def test_an_empty_table_prints_its_headings() -> None:
    assert "RMSD_X" in str(Table(name="a", title="A", rows=[], headings=TABLE.headings))


def test_round_trip() -> None:
    quiet = Table(name="a", title="A", rows=[{"n": 1}], printed=False)
    for table in (TABLE, quiet):
        assert Table.from_dict(table.to_dict()) == table


def test_joined_keeps_the_order() -> None:
    both = Table.joined([TABLE, TABLE])
    assert [r["experiment"] for r in both.rows] == [0, 10, 0, 10]
    assert both.headings == TABLE.headings


def test_a_table_that_is_not_there_is_named_with_those_that_are() -> None:
    result = StepResult(
        experiments=ExperimentList(), reflections={}, tables=(Table(name="a", title="A", rows=[]),)
    )
    assert result.table("a").title == "A"
    with pytest.raises(SchemaError, match="no table 'b'; there are: a"):
        result.table("b")
