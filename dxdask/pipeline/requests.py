"""Steps as a command asks for them: the runs, what each is given, and the fingerprints of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dxdask.pipeline import staleness
from dxdask.pipeline.declaration import RequestedStep, Step, Values
from dxdask.pipeline.images import IMAGES
from dxdask.pipeline.inputs import RunInput, with_kept_calibration
from dxdask.storage.store.provenance import CONTENTS, fingerprint
from dxdask.storage.store.store import Store


class Requests:
    """Gives every step of a command the fingerprints of its runs, in the order of processing.

    Parameters
    ----------
    recorded : runs as recorded; a step takes them calibrated unless it is declared otherwise.
    calibrated : the runs calibrated by the command's parameters; None: as they were before.
    parameters : of the command, one attribute a group of any of its steps.
    """

    def __init__(
        self,
        store: Store,
        recorded: Sequence[RunInput],
        calibrated: Sequence[RunInput] | None,
        parameters: Values,
    ) -> None:
        self._store, self._parameters = store, parameters
        self._recorded = list(recorded)
        self._calibrated = None if calibrated is None else list(calibrated)
        self._prints: dict[str, Mapping[str, str]] = {}

    def runs_of(self, step: Step) -> list[RunInput]:
        """Return the runs that a step takes, as recorded or calibrated."""
        if step.as_recorded:
            return self._recorded
        if self._calibrated is None:
            self._calibrated = [with_kept_calibration(self._store, run) for run in self._recorded]
        return self._calibrated

    def request(self, step: Step, sources: Mapping[str, str]) -> RequestedStep:
        """Return a step with the fingerprints of its runs.

        sources : the step that each one needed is read from; requested or taken before.
        """
        runs = self.runs_of(step)
        extras = step.extras(self._store, runs, self._parameters)
        common = step.given_of(self._parameters)
        given: dict[str, Mapping[str, Any]] = {}
        prints: dict[str, str] = {}
        for run in runs:
            contents = extras.of_run(run.name)
            given[run.name] = {
                **common,
                **({CONTENTS: contents} if contents else {}),
                **({IMAGES: list(run.images)} if run.images else {}),
            }
            own = [run.fingerprint] if step.reads_frames else []
            inputs = [*own, *(self._prints[name][run.name] for name in sources.values())]
            prints[run.name] = fingerprint(step.name, given[run.name], inputs, step.version)
        if step.scope_of(self._parameters) == "ensemble":
            whole = fingerprint(step.name, prints, [], step.version)
            prints = dict.fromkeys(prints, whole)
        self._prints[step.name] = prints
        return RequestedStep(step=step, runs=runs, given=given, prints=prints, extras=extras)

    def take(self, name: str) -> None:
        """Take the fingerprints of a step that is not requested from the store."""
        self._prints[name] = staleness.prints_of(self._store, name)

    def missing(self, requested: RequestedStep) -> list[str]:
        """Return the runs of a step that are to be computed."""
        if self._parameters.force:
            return [run.name for run in requested.runs]
        there = staleness.prints_of(self._store, requested.step.name)
        missing = [run for run, value in requested.prints.items() if there.get(run) != value]
        if requested.step.scope_of(self._parameters) == "ensemble":
            same = not missing and set(there) == set(requested.prints)
            return [] if same else list(requested.prints)
        return missing
