"""What the steps of an opened store's branch showed: tables, messages, problems, history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dxdask.errors import StoreNotFoundError
from dxdask.storage.store import history, read, report
from dxdask.storage.store.folder import StoreFolder
from dxdask.tables import Table

# It takes a second to import, and few uses of a store need it.
if TYPE_CHECKING:
    import pandas as pd


class StoredTables(StoreFolder):
    """The tables and messages of the steps of a store, on its branch."""

    def table(self, step: str, name: str) -> pd.DataFrame:
        """Return a table that a step showed.

        Raises
        ------
        StoreNotFoundError
            The step showed no such table.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store.table("refine", "rmsds")["run"].tolist()
        ['tiny_1', 'tiny_2', 'tiny_3']
        """
        import pandas as pd

        found = {t.name: t for t in self.tables(step)}
        if name not in found:
            raise StoreNotFoundError(
                f"{step} has no table {name!r}; it has {', '.join(found) or 'none'}"
            )
        return pd.DataFrame([dict(row) for row in found[name].rows])

    def tables(self, step: str) -> tuple[Table, ...]:
        """Return the tables that a step showed, in order; they print as they did.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> [table.name for table in store.tables("merge")][:2]
        ['shells', 'overall']
        """
        found = read.steady(self.path, step, self.branch, read.report)
        return tuple(Table.from_dict(t) for t in found["tables"])

    def messages(self, step: str) -> tuple[str, ...]:
        """Return the lines that a step showed before its tables.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> len(store.messages("index")) > 0
        True
        """
        return tuple(read.steady(self.path, step, self.branch, read.report)["messages"])

    def problems(self) -> pd.DataFrame:
        """Return the problems of a step, each with run, image, step and reason.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store.problems().columns.tolist()
        ['run', 'image', 'step', 'reason']
        """
        import pandas as pd

        return pd.DataFrame(self.problem_rows(), columns=["run", "image", "step", "reason"])

    def problem_rows(self) -> list[dict[str, Any]]:
        """Return the problems of `problems` as rows.

        Examples
        --------
        >>> import dxdask
        >>> dxdask.open("tiny.zarr").problem_rows()
        []
        """
        return report.problems(self.path, self.branch)

    def step_names(self) -> tuple[str, ...]:
        """Return the complete steps of the branch, in the order of processing.

        Examples
        --------
        >>> import dxdask
        >>> dxdask.open("tiny.zarr").step_names()[:2]
        ('find_spots', 'index')
        """
        return tuple(report.steps(self.path, self.branch))

    def history(self) -> tuple[dict[str, Any], ...]:
        """Return an entry for each time a step was run; `current` marks the present result.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store.history()[0]["step"]
        'find_spots'
        """
        return history.entries(self.path)

    def show(self, step: str | None = None) -> dict[str, Any]:
        """Return every step (or one) with its tables, and the problems, as JSON can hold them.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store.show("merge")["steps"]["merge"]["complete"]
        True
        """
        return report.shown(self.path, self.branch, step)
