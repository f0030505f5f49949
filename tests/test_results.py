"""Results of several runs together."""

from __future__ import annotations

from dxdask.models import Beam, Detector, Experiment, ExperimentList, Panel
from dxdask.results import StepResult, joined

PANEL = Panel(
    name="0", image_size=(10, 10), pixel_size=(0.1, 0.1), origin=(0.0, 0.0, -100.0),
    fast_axis=(1.0, 0.0, 0.0), slow_axis=(0.0, -1.0, 0.0),
)  # fmt: skip


def result(run: str, *messages: str) -> StepResult:
    one = Experiment(
        identifier=run, run=run, beam=Beam(wavelength=1.0), detector=Detector(panels=(PANEL,))
    )
    return StepResult(experiments=ExperimentList.of([one]), reflections={}, messages=messages)


def test_messages_of_several_runs_are_preceded_by_their_run_once() -> None:
    both = joined([result("a", "a: 3 spots", " indented"), result("b", "other")])
    assert both.messages == ("a: 3 spots", "a: indented", "b: other")


def test_messages_of_one_run_are_as_they_were() -> None:
    assert joined([result("a", " indented")]).messages == (" indented",)
