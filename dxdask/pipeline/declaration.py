"""The declaration of a step: all that commands, storage and the planner know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from dxdask.errors import InputError, SchemaError
from dxdask.pipeline.kinds import Kind

if TYPE_CHECKING:
    import dask.array as da
    from dask.delayed import Delayed
    from numpy.typing import NDArray

    from dxdask.cluster.running_counts import TaskCounter
    from dxdask.parameters import Parameters
    from dxdask.pipeline.inputs import RunInput
    from dxdask.pipeline.stored_result import StoredResult
    from dxdask.results import StepResult
    from dxdask.storage.store.store import Store

Scope: TypeAlias = Literal["run", "ensemble"]
Values: TypeAlias = Any
"""The parameters of a command: a model with one attribute a group."""


@dataclass(frozen=True, kw_only=True)
class Extras:
    """Values that a step takes beside runs, parameters and the steps it needs.

    Attributes
    ----------
    values : for the builder, by name.
    contents : part of the fingerprint of every run; by_run : of one run each.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    contents: Mapping[str, Any] = field(default_factory=dict)
    by_run: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of_run(self, run: str) -> dict[str, Any]:
        """Return the contents that belong to the fingerprint of a run."""
        return {**self.contents, **self.by_run.get(run, {})}


@dataclass(frozen=True)
class NotDone:
    """The result of a step that the data do not allow; nothing of it is in the store."""

    reason: str
    step: str = ""


@dataclass(frozen=True, kw_only=True)
class StepInputs:
    """Input of a builder.

    Attributes
    ----------
    runs : one of them where the scope of the step is `run`.
    results : lazy `StoredResult` of each step that is needed.
    parameters : those of the command. extras : of the step.
    importing : whether frames are read from raw files and written to the store on the way.
    may_fail : whether the result may be `NotDone` where the data do not allow the step.
    """

    runs: Sequence[RunInput]
    results: Mapping[str, Delayed]
    parameters: Values
    extras: Extras = Extras()
    importing: bool = False
    may_fail: bool = False

    @property
    def run(self) -> RunInput:
        """The only run.

        Raises
        ------
        SchemaError
            There are several: the scope of the step is the ensemble.
        """
        if len(self.runs) != 1:
            raise SchemaError(f"a builder of scope ensemble has {len(self.runs)} runs, not one")
        return self.runs[0]

    def frames(self, run: RunInput | None = None) -> da.Array:
        """Return the frames (image, slow, fast) of a run as they are first read."""
        run = run or self.run
        return (run.incoming if self.importing else run.frames).array()

    def sample(self, images: Sequence[int]) -> da.Array:
        """Return these frames of the run, from 0 in ascending order; an import does not write them.

        They are read from where `frames` are.
        """
        run = self.run
        return (run.incoming if self.importing else run.frames).of_sample(images).array()


@dataclass(frozen=True, kw_only=True)
class CombineInputs:
    """Input of `Step.combine`: the results of all runs as tasks of them left them.

    Attributes
    ----------
    results : of each run, without rows and arrays: experiments, tables, messages, problems.
    needs : the steps that were needed. read_arrays : arrays of one run by name.
    """

    results: Sequence[StepResult]
    needs: Mapping[str, StoredResult]
    parameters: Values
    read_arrays: Callable[[str, Sequence[str]], Mapping[str, NDArray[Any]]]

    def arrays(self, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return arrays of all runs, one below the other."""
        import numpy as np

        parts = [self.read_arrays(r.experiments.runs[0], names) for r in self.results]
        return {name: np.concatenate([part[name] for part in parts]) for name in names}


@dataclass(frozen=True, kw_only=True)
class RequestedStep:
    """A requested step: its runs, each with its parameters and its fingerprint."""

    step: Step
    runs: Sequence[RunInput]
    given: Mapping[str, Mapping[str, Any]]
    prints: Mapping[str, str]
    extras: Extras

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the result of all runs."""
        from dxdask.storage.store.provenance import fingerprint

        return fingerprint(self.step.name, dict(self.prints), [], self.step.version)


@dataclass(frozen=True, kw_only=True)
class PassInputs:
    """Input of the builder of a pass.

    Attributes
    ----------
    store : that results are written to.
    requested : the steps to run. missing : of each run with any, those that are to be computed.
    results : lazy `StoredResult` of steps that are in the store.
    importing : whether frames are read from raw files and written to the store on the way.
    """

    store: Store
    requested: Mapping[str, RequestedStep]
    missing: Mapping[str, Sequence[str]]
    results: Mapping[str, Delayed]
    parameters: Values
    importing: bool

    @property
    def runs(self) -> list[RunInput]:
        """The runs with any step to be computed."""
        every = next(iter(self.requested.values())).runs
        return [run for run in every if run.name in self.missing]


@dataclass(frozen=True, kw_only=True)
class Pass:
    """Steps of scope run that one pass over the frames makes together.

    Attributes
    ----------
    steps : their names, in order; each is made from those before it.
    build : returns the lazy `StepResult` of each step and run that is missing.
    counts : of tasks' results, to show on the way.
    """

    steps: tuple[str, ...]
    build: Callable[[PassInputs], Mapping[str, Mapping[str, Delayed]]]
    counts: TaskCounter | None = None


def _no_extras(_store: Store, _runs: Sequence[RunInput], _parameters: Values) -> Extras:
    return Extras()


def _no_files(_store: Store, _parameters: Values) -> list[str]:
    return []


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """Declaration of one step.

    Attributes
    ----------
    name : of the command, the Python function and the group in a store. title : the help.
    parameters : the groups of parameters with their defaults, by name.
    build : returns the lazy `StepResult`, of one run or of all; computes nothing.
    in_pass : the pass over the frames that makes the result instead, with those of other steps.
    needs : steps whose results it reads. uses : others, read where they are in the store, or about
        to be. carries : the one of them whose rows its own are, in
        their order: columns that the result lacks are taken over from there.
    alternatives : of a step needed, others of which the first that is in the store is read in its
        place.
    otherwise : what to do where a step needed is not in the store, beside running it.
    scope : `run`, each run alone, or `ensemble`, all of them; it may depend on the parameters.
    kinds : experiments that it is for.
    reads_frames : whether it reads frames; as_recorded : frames without calibration.
    version : changes when the same input and parameters no longer give the same result.
    extras : what it reads beside its inputs, files for instance.
    given : the parameters that are part of its fingerprint; by default its groups.
    combine : tables and messages of all runs, of a step of scope `run`; by default those of the
        runs one below the other.
    write_files : writes the files that parameters ask for from the result in the store; returns
        their names.
    bytes_per_pixel : memory that a task takes for each pixel of a frame; it may depend on the
        parameters.
    optional : whether a job of several steps goes on, with a warning, where the data do not allow
        it; the builder sees `may_fail` then.
    mask : the array of its result that masks pixels, which apply_mask can use, and the parameters
        that have it made, if any are needed.
    aliases : other names of the command. example : parameters of the call in the documentation
        of its function, as Python. command_only : parameters, as `group.name`, that only the
        command line acts on, each with what to do in Python.
    """

    name: str
    title: str
    parameters: Callable[[], Mapping[str, Parameters]]
    build: Callable[[StepInputs], Delayed] | None = None
    in_pass: Callable[[], Pass] | None = None
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    carries: str | None = None
    alternatives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    otherwise: str = ""
    scope: Scope | Callable[[Values], Scope] = "ensemble"
    kinds: tuple[Kind, ...] = ("sweeps",)
    reads_frames: bool = False
    as_recorded: bool = False
    version: str = "1"
    extras: Callable[[Store, Sequence[RunInput], Values], Extras] = _no_extras
    given: Callable[[Values], dict[str, Any]] | None = None
    combine: Callable[[CombineInputs], StepResult] | None = None
    write_files: Callable[[Store, Values], list[str]] = _no_files
    bytes_per_pixel: int | Callable[[Values], int] = 24
    optional: bool = False
    mask: tuple[str, str] | None = None
    aliases: tuple[str, ...] = ()
    example: str = ""
    command_only: Mapping[str, str] = field(default_factory=dict)

    def scope_of(self, parameters: Values) -> Scope:
        """Return the scope with these parameters."""
        return self.scope if isinstance(self.scope, str) else self.scope(parameters)

    def bytes_per_pixel_of(self, parameters: Values) -> int:
        """Return the memory of a task for each pixel of a frame with these parameters."""
        given = self.bytes_per_pixel
        return given if isinstance(given, int) else given(parameters)

    def sources(self, there: Callable[[str], bool]) -> dict[str, str]:
        """Return the step that each one needed is read from.

        there : whether a step, by its name, is in the store, or about to be.
        """
        others = self.alternatives
        found = {n: next((o for o in others.get(n, ()) if there(o)), n) for n in self.needs}
        return found | {n: n for n in self.uses if there(n)}

    @property
    def replacing(self) -> tuple[str, ...]:
        """The steps that may be read in place of those it needs."""
        return tuple(o for others in self.alternatives.values() for o in others)

    def given_of(self, parameters: Values) -> dict[str, Any]:
        """Return the parameters that are part of the fingerprint, as JSON holds them."""
        if self.given is not None:
            return self.given(parameters)
        names = self.parameters()
        return {name: getattr(parameters, name).model_dump(mode="json") for name in names}


def one_task(
    function: Callable[..., StepResult], need: str, *, with_extras: bool = False
) -> Callable[[StepInputs], Delayed]:
    """Return a builder of one task, which reads the result of a step that is needed.

    function : takes that result, the names of the runs, and the parameters; with_extras: also the
    values of the step's extras.
    """

    def build(inputs: StepInputs) -> Delayed:
        from dask.delayed import delayed

        names = [run.name for run in inputs.runs]
        work: tuple[Any, ...] = (inputs.results[need], names, inputs.parameters)
        if with_extras:
            work = (*work, dict(inputs.extras.values))
        if inputs.may_fail:
            lazy: Delayed = delayed(_attempt, pure=True)(function, *work)
        else:
            lazy = delayed(function, pure=True)(*work)
        return lazy

    return build


def _attempt(function: Callable[..., StepResult], *work: Any) -> StepResult | NotDone:
    try:
        return function(*work)
    except InputError as error:
        return NotDone(str(error))
