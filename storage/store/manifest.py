"""The manifest of a step's result: its attributes, checked as they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dxdask.errors import SchemaError
from dxdask.storage.store import layout
from dxdask.storage.store.remedies import remedy


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEntry:
    """A partition in a manifest.

    Attributes
    ----------
    id, fingerprint, n_reflections, arrays : as in `Partition`.
    n_experiments : of the run.
    parameters : None where they are those of the step.
    """

    id: str
    fingerprint: str
    n_reflections: int
    n_experiments: int
    arrays: tuple[str, ...] = ()
    parameters: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as what JSON can hold."""
        found: dict[str, Any] = {
            "id": self.id,
            "fingerprint": self.fingerprint,
            "n_reflections": self.n_reflections,
            "n_experiments": self.n_experiments,
        }
        if self.arrays:
            found["arrays"] = list(self.arrays)
        if self.parameters is not None:
            found["parameters"] = dict(self.parameters)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """Content and provenance of a step's result.

    Attributes
    ----------
    id, created : of this version of the result.
    step, branch : that it is the result of.
    fingerprint, parameters : of the inputs and the parameters of the whole step.
    seconds, versions : of the computation, and of the software.
    n_reflections, n_experiments, columns, arrays : of the whole.
    runs : the partition of each run, in the order of experiments; none where rows are not by run.
    ensemble_columns, ensemble_arrays, n_ensemble_reflections : of the rows and arrays that lie in
        no partition.
    combined : True where experiments and tables are those of the partitions put together.
    made_from : fingerprint of parameters and inputs of each run that the result is made from.
    peak_memory : bytes that the process had at most by the end of the step, None on workers.
    """

    id: str
    step: str
    branch: str
    created: str
    fingerprint: str
    parameters: Mapping[str, Any]
    seconds: Mapping[str, float]
    versions: Mapping[str, str]
    n_reflections: int = 0
    n_experiments: int = 0
    columns: tuple[str, ...] = ()
    arrays: tuple[str, ...] = ()
    runs: Mapping[str, RunEntry] = field(default_factory=dict)
    n_ensemble_reflections: int = 0
    ensemble_columns: tuple[str, ...] = ()
    ensemble_arrays: tuple[str, ...] = ()
    combined: bool = False
    made_from: Mapping[str, str] = field(default_factory=dict)
    peak_memory: int | None = None

    def parameters_of(self, run: str) -> Mapping[str, Any]:
        """Return the parameters that the result of a run was made with."""
        entry = self.runs.get(run)
        return self.parameters if entry is None else (entry.parameters or self.parameters)

    def first_experiment(self, run: str) -> int:
        """Return the index, in the experiments of the step, of the first one of a run."""
        first = 0
        for name, entry in self.runs.items():
            if name == run:
                return first
            first += entry.n_experiments
        raise SchemaError(f"{self.step} has no partition of run {run!r}")

    def to_dict(self) -> dict[str, Any]:
        """Return the manifest as what JSON can hold."""
        return {
            "id": self.id,
            "step": self.step,
            "branch": self.branch,
            "created": self.created,
            "fingerprint": self.fingerprint,
            "seconds": dict(self.seconds),
            "parameters": dict(self.parameters),
            "versions": dict(self.versions),
            "n_reflections": self.n_reflections,
            "n_experiments": self.n_experiments,
            "columns": list(self.columns),
            "arrays": list(self.arrays),
            "runs": {run: entry.to_dict() for run, entry in self.runs.items()},
            "ensemble": {
                "n_reflections": self.n_ensemble_reflections,
                "columns": list(self.ensemble_columns),
                "arrays": list(self.ensemble_arrays),
            },
            "combined": self.combined,
            "made_from": dict(self.made_from),
            "peak_memory": self.peak_memory,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str) -> Manifest:
        """Return the manifest that `to_dict` wrote; `where` is for messages.

        Raises
        ------
        SchemaError
            It is damaged.
        """
        try:
            ensemble = values["ensemble"]
            manifest = cls(
                id=str(values["id"]),
                step=str(values["step"]),
                branch=str(values["branch"]),
                created=str(values["created"]),
                fingerprint=str(values["fingerprint"]),
                parameters=dict(values["parameters"]),
                seconds=dict(values["seconds"]),
                versions=dict(values["versions"]),
                n_reflections=_count(values["n_reflections"]),
                n_experiments=_count(values["n_experiments"]),
                columns=_names(values["columns"]),
                arrays=_names(values["arrays"]),
                runs={_name(run): _run_entry(entry) for run, entry in values["runs"].items()},
                n_ensemble_reflections=_count(ensemble["n_reflections"]),
                ensemble_columns=_names(ensemble["columns"]),
                ensemble_arrays=_names(ensemble["arrays"]),
                combined=values["combined"] is True,
                made_from={_name(run): str(v) for run, v in values["made_from"].items()},
                peak_memory=None if (n := values.get("peak_memory")) is None else _count(n),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SchemaError(
                f"the manifest of {where} is damaged ({error!r}); {remedy(where, delete=True)}"
            ) from error
        n_rows = sum(entry.n_reflections for entry in manifest.runs.values())
        if n_rows + manifest.n_ensemble_reflections != manifest.n_reflections:
            raise SchemaError(
                f"the manifest of {where} is damaged (its runs have {n_rows} of "
                f"{manifest.n_reflections} reflections); {remedy(where, delete=True)}"
            )
        return manifest


def _run_entry(values: Mapping[str, Any]) -> RunEntry:
    parameters = values.get("parameters")
    return RunEntry(
        id=str(values["id"]),
        fingerprint=str(values["fingerprint"]),
        n_reflections=_count(values["n_reflections"]),
        n_experiments=_count(values["n_experiments"]),
        arrays=_names(values.get("arrays", ())),
        parameters=None if parameters is None else dict(parameters),
    )


def _names(values: Any) -> tuple[str, ...]:
    return tuple(_name(value) for value in values)


def _name(value: Any) -> str:
    if not isinstance(value, str) or not layout.is_safe(value):
        raise ValueError(f"{value!r} is no name")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value
