"""One graph of the steps of a command: those to be computed, and those in the store already.

Every run of a step has a fingerprint of its parameters and inputs. A run whose fingerprint is in
the store, or was left complete by an interrupted command, is taken as it is; tasks write the rows
of the others, and one task a step commits them together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dask.delayed import Delayed, delayed

from dxdask.errors import SchemaError
from dxdask.graphs.literal import literal
from dxdask.pipeline import staleness
from dxdask.pipeline.commit import Destination, commit_runs, write_ensemble, write_run
from dxdask.pipeline.declaration import (
    Pass,
    PassInputs,
    RequestedStep,
    Step,
    StepInputs,
    Values,
)
from dxdask.pipeline.frames import finish
from dxdask.pipeline.inputs import RunInput
from dxdask.pipeline.kinds import Kind
from dxdask.pipeline.plan import Plan
from dxdask.pipeline.requests import Requests
from dxdask.pipeline.steps import closure
from dxdask.pipeline.stored_result import StoredResult
from dxdask.pipeline.usage import usage
from dxdask.storage.store.partitions import found_partition
from dxdask.storage.store.store import Store


class Planner:
    """Builds a plan for some runs, step by step; computes nothing.

    Parameters
    ----------
    runs : as recorded; a step takes them calibrated unless it is declared otherwise.
    parameters : of the command, one attribute a group of any of its steps.
    calibrated : the runs calibrated by the command's parameters; None: as they were before.
    """

    def __init__(
        self,
        store: Store,
        runs: Sequence[RunInput],
        parameters: Values,
        *,
        kind: Kind,
        calibrated: Sequence[RunInput] | None = None,
    ) -> None:
        self.store, self.parameters, self.kind = store, parameters, kind
        self.plan = Plan()
        self._requests = Requests(store, runs, calibrated, parameters)
        self._importing = any(run.writer is not None for run in runs)
        self._images = {run.name: run.images for run in runs if run.images is not None}
        self._started = literal(usage())
        self._n_requested = 0
        self._names: set[str] = set()

    def add(self, names: Sequence[str]) -> Plan:
        """Add steps to the plan, in the order of processing, and return it.

        A step begins when those it needs are in the store: if it fails, they are not lost.

        Raises
        ------
        StoreNotFoundError
            A step that is needed and not requested is not in the store, or not of all these runs.
        InputError
            A step that is needed was made from other input than is there now.
        """
        self._names = set(names)
        steps = closure(names, self.kind, self._there)
        requested = [step for step in steps if step.name in names]
        self._n_requested = len(requested)
        needed = {name for step in requested for name in self._sources(step).values()}
        one_pass = next((step.in_pass() for step in requested if step.in_pass is not None), None)
        together = [s for s in requested if one_pass is not None and s.name in one_pass.steps]
        for step in steps:
            if step not in requested:
                if step.name in needed:
                    asking = (s.otherwise for s in requested if step.name in s.needs)
                    self._require(step, next(filter(None, asking), ""))
            elif step not in together:
                self._add_step(self._request(step))
            elif step is together[0] and one_pass is not None:
                self._add_pass(one_pass, [self._request(s) for s in together])
        return self.plan

    def _there(self, name: str) -> bool:
        return name in self._names or self.store.has_step(name)

    def _sources(self, step: Step) -> dict[str, str]:
        """Return the step that each one needed is read from."""
        return step.sources(self._there)

    def _add_step(self, requested: RequestedStep) -> None:
        missing = self._requests.missing(requested)
        if missing:
            self._commit(requested, self._build(requested, missing), missing)
        else:
            self._take(requested)

    def _add_pass(self, one_pass: Pass, every: Sequence[RequestedStep]) -> None:
        absent = {w.step.name: self._requests.missing(w) for w in every}
        missing = {
            run.name: [name for name, runs in absent.items() if run.name in runs]
            for run in every[0].runs
            if any(run.name in runs for runs in absent.values())
        }
        for requested in every:
            if not absent[requested.step.name]:
                self._take(requested)
        if not missing:
            return
        reading = [w for w in every if w.step.reads_frames]
        notes = [self._reads(w.step, [r for r in w.runs if r.name in missing]) for w in reading]
        results = {name: self._read(name) for name in self.plan.results}
        for requested in every:
            if requested.step.name not in results and self.store.has_step(requested.step.name):
                name = requested.step.name
                kept = {r: p for r, p in requested.prints.items() if name not in missing.get(r, ())}
                results[name] = literal(StoredResult.of(self.store, name, kept))
        inputs = PassInputs(
            store=self.store,
            requested={w.step.name: w for w in every},
            missing=missing,
            results=results,
            parameters=self.parameters,
            importing=any(notes),
        )
        built = one_pass.build(inputs)
        self.plan.counter = one_pass.counts
        for requested in every:
            name = requested.step.name
            if absent[name]:
                self._commit(requested, built[name], absent[name])

    def _request(self, step: Step) -> RequestedStep:
        requested = self._requests.request(step, self._sources(step))
        self.plan.fingerprints[step.name] = requested.fingerprint
        return requested

    def _take(self, requested: RequestedStep) -> None:
        """Take a step from the store."""
        name = requested.step.name
        self.plan.found.append(name)
        self.plan.results[name] = lazy_result(self.store, name)

    def _require(self, step: Step, otherwise: str = "") -> None:
        """Take a step that is needed and not requested from the store.

        otherwise : what else to do where it is not there.
        """
        runs = self._requests.runs_of(step)
        renewed = next((n for n in self._sources(step).values() if n in self.plan.commits), None)
        if renewed is not None:
            staleness.refuse_renewed(self.store, step.name, renewed)
        staleness.require_fresh(self.store, step, [run.name for run in runs], otherwise)
        self._requests.take(step.name)
        self.plan.fingerprints[step.name] = self.store.manifest(step.name).fingerprint
        self.plan.results[step.name] = lazy_result(self.store, step.name)

    def _commit(
        self, requested: RequestedStep, built: Mapping[str, Delayed], missing: Sequence[str]
    ) -> None:
        """Add the tasks that write the lazy results of runs and commit the step.

        built : of each run that is missing, or of all at once under the name "".
        """
        step, plan, sources = requested.step, self.plan, self._sources(requested.step)
        to = literal(self._destination(requested))
        waits = [plan.commits[n] for n in sources.values() if n in plan.commits]
        begun = [self._started, *waits]
        carried = self._read(sources[step.carries]) if step.carries else None
        if "" in built:
            finishes = self._finish(requested, built)
            commit = delayed(write_ensemble, pure=True)(to, built[""], carried, finishes, begun)
        else:
            write = delayed(write_run, pure=True)
            written = {
                run: literal(self._interrupted(requested, run))
                if run not in built
                else write(to, run, built[run], carried)
                for run in missing
            }
            kept = [r for r in staleness.prints_of(self.store, step.name) if r not in written]
            needs = {name: self._read(source) for name, source in sources.items()}
            commit = delayed(commit_runs, pure=True)(
                to,
                list(written.values()),
                kept,
                needs,
                literal(self.parameters),
                self._finish(requested, written),
                begun,
            )
        plan.commits[step.name] = plan.results[step.name] = commit

    def _build(self, requested: RequestedStep, missing: Sequence[str]) -> dict[str, Delayed]:
        step = requested.step
        sources = self._sources(step)
        results = {name: self._read(source) for name, source in sources.items()}
        importing = self._reads(step, [r for r in requested.runs if r.name in missing])

        def inputs(runs: Sequence[RunInput]) -> StepInputs:
            return StepInputs(
                runs=runs,
                results=results,
                parameters=self.parameters,
                extras=requested.extras,
                importing=importing,
                may_fail=step.optional and self._n_requested > 1,
            )

        if step.build is None:
            raise SchemaError(f"step {step.name} has neither a builder nor a pass that makes it")
        if step.scope_of(self.parameters) == "ensemble":
            return {"": step.build(inputs(requested.runs))}
        return {
            run.name: step.build(inputs([run]))
            for run in requested.runs
            if run.name in missing and self._interrupted(requested, run.name) is None
        }

    def _read(self, name: str) -> Delayed:
        """Return the lazy result of a step, restricted to the images chosen."""
        found = self.plan.results[name]
        if not self._images:
            return found
        narrow: Delayed = delayed(StoredResult.narrowed, pure=True)(found, self._images)
        return narrow

    def _reads(self, step: Step, runs: Sequence[RunInput]) -> bool:
        """Note the frames that a step reads; return whether it is the first to read them."""
        if not step.reads_frames:
            return False
        arrays = [run.frames for run in runs]
        if self._importing:
            arrays += [run.incoming for run in runs if run.load_incoming is not None]
        self.plan.reads[step.name] = arrays, step.bytes_per_pixel_of(self.parameters)
        return self._importing

    def _finish(self, requested: RequestedStep, written: Mapping[str, Any]) -> list[Delayed]:
        """Return tasks that complete the import of the runs that a step reads from raw files."""
        if not (requested.step.reads_frames and self._importing):
            return []
        self._importing = False
        done = [
            delayed(finish, pure=True)(run.writer, (), written.get(run.name, written.get("")))
            for run in requested.runs
            if run.writer is not None
        ]
        self.plan.finishes += done
        return done

    def _interrupted(self, requested: RequestedStep, run: str) -> Any:
        """Return the rows of a run that an interrupted command left complete, if any."""
        if self.parameters.force or self._importing:
            return None
        store = self.store
        return found_partition(
            store.path, store.branch, requested.step.name, run, requested.prints[run]
        )

    def _destination(self, requested: RequestedStep) -> Destination:
        return Destination(
            path=str(self.store.path),
            branch=self.store.branch,
            step=requested.step.name,
            kind=self.kind,
            fingerprint=requested.fingerprint,
            prints=requested.prints,
            given=requested.given,
        )


def lazy_result(store: Store, name: str) -> Delayed:
    """Return the present result of a step, a Delayed `StoredResult`."""
    return literal(StoredResult.of(store, name))
