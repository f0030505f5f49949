"""CPU seconds and memory of a step, known where it ran in one process."""

from __future__ import annotations

from dataclasses import replace

from dxdask.pipeline.usage import seconds_between, usage


def test_cpu_seconds_are_those_of_one_process() -> None:
    start = usage()
    end = replace(start, at=start.at + 3.0, cpu=start.cpu + 5.0)
    assert seconds_between(start, end, command=start) == {"wall": 3.0, "cpu": 5.0}


def test_on_workers_only_the_wall_time_is_known() -> None:
    command = usage()
    worker = replace(command, process="node:1", at=command.at + 2.0, cpu=900.0)
    assert seconds_between(command, worker, command=command) == {"wall": 2.0}
    later = replace(worker, at=worker.at + 1.0, cpu=901.0)
    assert seconds_between(worker, later, command=command) == {"wall": 1.0}


def test_usage_grows() -> None:
    first, second = usage(), usage()
    assert second.cpu >= first.cpu
    assert second.peak_memory >= first.peak_memory > 1e6
