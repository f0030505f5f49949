"""Experiments: the beam, detector, goniometer, scan and crystal that belong together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from dxdask.models.beam import Beam
from dxdask.models.crystal import Crystal
from dxdask.models.detector import Detector
from dxdask.models.goniometer import Goniometer
from dxdask.models.plain import as_plain
from dxdask.models.profile import GaussianProfile
from dxdask.models.scan import Scan
from dxdask.tables import SHOWN, html_table, shortened

Model = TypeVar("Model", Beam, Detector, Goniometer, Scan, Crystal)


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """One run (or still) with its models; `crystal` and `profile` are None while not known."""

    identifier: str
    run: str
    beam: Beam
    detector: Detector
    goniometer: Goniometer | None = None
    scan: Scan | None = None
    crystal: Crystal | None = None
    profile: GaussianProfile | None = None

    def __repr__(self) -> str:
        return f"<Experiment {', '.join(f'{k} {v}' for k, v in self._summary().items())}>"

    def _repr_html_(self) -> str:
        """Return the experiment for a notebook."""
        return html_table("Experiment", [self._summary()])

    def _summary(self) -> dict[str, str]:
        """Return the summary of the experiment, by name."""
        images = "still"
        if self.scan is not None:
            first, last = self.scan.image_range
            images = f"{first} to {last}"
        cell = group = "unknown"
        if self.crystal is not None:
            cell = " ".join(f"{value:.6g}" for value in self.crystal.unit_cell)
            group = self.crystal.space_group
        return {
            "run": self.run,
            "images": images,
            "wavelength": f"{self.beam.wavelength:.6g}",
            "panels": str(len(self.detector.panels)),
            "space group": group,
            "cell": cell,
        }

    @property
    def first_image(self) -> int:
        """Number of the first image, whose z is one less; 1 where there is no scan."""
        return self.scan.image_range[0] if self.scan is not None else 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """An experiment of a list: its models by their index in the list's tuples."""

    identifier: str
    run: str
    beam: int
    detector: int
    goniometer: int | None = None
    scan: int | None = None
    crystal: int | None = None
    profile: GaussianProfile | None = None


class _Pool(Generic[Model]):
    """Models, each object once, in the order of first occurrence."""

    def __init__(self) -> None:
        self.models: list[Model] = []
        self._places: dict[int, int] = {}

    def place(self, model: Model) -> int:
        """Return the index of this object (by identity), which is added where it is new."""
        # an id is not reused while `models` holds the object
        place = self._places.setdefault(id(model), len(self.models))
        if place == len(self.models):
            self.models.append(model)
        return place


@dataclass(frozen=True, kw_only=True, slots=True)
class ExperimentList:
    """Experiments that may share models; a shared model is refined once.

    The column `experiment` of a table of reflections is the index in `members`.
    """

    beams: tuple[Beam, ...] = ()
    detectors: tuple[Detector, ...] = ()
    goniometers: tuple[Goniometer, ...] = ()
    scans: tuple[Scan, ...] = ()
    crystals: tuple[Crystal, ...] = ()
    members: tuple[Member, ...] = ()

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, index: int) -> Experiment:
        m = self.members[index]
        return Experiment(
            identifier=m.identifier,
            run=m.run,
            beam=self.beams[m.beam],
            detector=self.detectors[m.detector],
            goniometer=None if m.goniometer is None else self.goniometers[m.goniometer],
            scan=None if m.scan is None else self.scans[m.scan],
            crystal=None if m.crystal is None else self.crystals[m.crystal],
            profile=m.profile,
        )

    def __iter__(self) -> Iterator[Experiment]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        kinds = ("beams", "detectors", "goniometers", "scans", "crystals")
        counts = ", ".join(f"{len(getattr(self, kind))} {kind}" for kind in kinds)
        of_runs = f"{len(self)} experiments of {len(self.runs)} runs ({shortened(self.runs)})"
        return f"<ExperimentList: {of_runs}; {counts}>"

    def _repr_html_(self) -> str:
        """Return the experiments for a notebook, the first of many."""
        rows = [self[i]._summary() for i in range(min(len(self), SHOWN))]
        return html_table("Experiments", rows, len(self))

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs of the members, each once, in order."""
        return tuple(dict.fromkeys(m.run for m in self.members))

    @property
    def run_indices(self) -> NDArray[np.int64]:
        """Index (e,) in `runs` of the run of each member."""
        place = {run: i for i, run in enumerate(self.runs)}
        return np.array([place[m.run] for m in self.members], dtype=np.int64)

    @classmethod
    def of(cls, experiments: Sequence[Experiment]) -> ExperimentList:
        """Return the list of these; models are shared where they are the same object."""
        beams, detectors = _Pool[Beam](), _Pool[Detector]()
        goniometers, scans, crystals = _Pool[Goniometer](), _Pool[Scan](), _Pool[Crystal]()
        members = tuple(
            Member(
                identifier=e.identifier,
                run=e.run,
                beam=beams.place(e.beam),
                detector=detectors.place(e.detector),
                goniometer=None if e.goniometer is None else goniometers.place(e.goniometer),
                scan=None if e.scan is None else scans.place(e.scan),
                crystal=None if e.crystal is None else crystals.place(e.crystal),
                profile=e.profile,
            )
            for e in experiments
        )
        return cls(
            beams=tuple(beams.models),
            detectors=tuple(detectors.models),
            goniometers=tuple(goniometers.models),
            scans=tuple(scans.models),
            crystals=tuple(crystals.models),
            members=members,
        )

    def apart(self) -> ExperimentList:
        """Return an equal list whose models are other objects, which `of` does not share."""
        return replace(
            self,
            beams=tuple(map(copy, self.beams)),
            detectors=tuple(map(copy, self.detectors)),
            goniometers=tuple(map(copy, self.goniometers)),
            scans=tuple(map(copy, self.scans)),
            crystals=tuple(map(copy, self.crystals)),
        )

    def with_crystal(self, crystal: Crystal) -> ExperimentList:
        """Return the list with one crystal shared by all members."""
        members = tuple(replace(m, crystal=0) for m in self.members)
        return replace(self, crystals=(crystal,), members=members)

    def to_dict(self) -> dict[str, Any]:
        """Return the list as values that JSON can hold."""
        return as_plain(self) | {"detectors": [d.to_dict() for d in self.detectors]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ExperimentList:
        """Return the list that `to_dict` wrote."""
        return cls(
            beams=tuple(Beam.from_dict(v) for v in values["beams"]),
            detectors=tuple(Detector.from_dict(v) for v in values["detectors"]),
            goniometers=tuple(Goniometer.from_dict(v) for v in values["goniometers"]),
            scans=tuple(Scan.from_dict(v) for v in values["scans"]),
            crystals=tuple(Crystal.from_dict(v) for v in values["crystals"]),
            members=tuple(
                Member(
                    **{
                        **m,
                        "profile": GaussianProfile.from_dict(m["profile"])
                        if m.get("profile")
                        else None,
                    }
                )
                for m in values["members"]
            ),
        )
