"""Experiment lists of DIALS paired with the tables of reflections that belong to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dxdask.errors import FormatError, InputError
from dxdask.storage.importers.dials.files import DialsModels, read_models
from dxdask.storage.importers.dials.reflections import MARK, DialsTable, read_table


@dataclass(frozen=True, kw_only=True)
class DialsJob:
    """An experiment list and its table, None where only the models are given."""

    path: Path
    models: DialsModels
    table_path: Path | None = None
    table: DialsTable | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files."""
        return (self.path,) if self.table_path is None else (self.path, self.table_path)


def paired(paths: Sequence[Path]) -> list[DialsJob]:
    """Return the jobs in experiment lists and tables, in the order of the lists.

    A table goes with the list that has its identifiers; where that is none or several, with the one
    of the same name, or the only one.

    Raises
    ------
    InputError
        A table has no list, or a list two tables.
    FormatError
        A file is damaged.
    """
    tables = {path: read_table(path) for path in paths if _is_table(path)}
    lists = {path: read_models(path) for path in paths if path not in tables}
    pairs: dict[Path, Path] = {}
    for path, table in tables.items():
        chosen = _list_of(path, table, lists)
        if chosen in pairs:
            raise InputError(
                f"{pairs[chosen]} and {path} both belong to {chosen}; give one of them"
            )
        pairs[chosen] = path
    return [
        DialsJob(path=path, models=models, table_path=pairs.get(path),
                 table=tables[pairs[path]] if path in pairs else None)
        for path, models in lists.items()
    ]  # fmt: skip


def _is_table(path: Path) -> bool:
    if path.suffix in (".refl", ".npz"):
        return True
    if path.suffix == ".expt":
        return False
    with path.open("rb") as stream:
        return MARK in stream.read(40)


def _list_of(path: Path, table: DialsTable, lists: dict[Path, DialsModels]) -> Path:
    wanted = set(table.identifiers.values())
    same = [p for p in lists if p.with_suffix("") == path.with_suffix("")]
    having = [p for p, models in lists.items() if wanted and wanted <= set(models.identifiers)]
    for found in ([p for p in having if p in same], having, same, list(lists)):
        if len(found) == 1:
            return found[0]
    if not lists:
        beside = path.with_suffix(".expt")
        hint = f": {beside}" if beside.exists() else " (the .expt of the same step)"
        raise InputError(f"{path} has reflections without their models; give both{hint}")
    names = ", ".join(str(p) for p in lists)
    raise InputError(
        f"{path} goes with none of {names} by identifiers or by name; call both alike, "
        "as DIALS does"
    )


def check_counts(job: DialsJob) -> None:
    """Check that a list has experiments.

    Raises
    ------
    FormatError
        It has none.
    """
    if not len(job.models.experiments):
        raise FormatError(f"{job.path} has no experiment; write it again with DIALS")
