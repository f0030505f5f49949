"""Registry of formats: entry points, priority, and packages that are at fault."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib import metadata
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from dxdask.errors import FormatError
from dxdask.storage.formats import FileGroup, Format, RunSource, Supplement, registry


class Plain(Format):
    name = "plain"
    description = "plain, which begins with P"
    suffixes = (".p",)

    def has_signature(self, head: bytes) -> bool:
        return head.startswith(b"P")

    def read_runs(self, group: FileGroup, supplement: Supplement) -> list[RunSource]:
        return []


class Special(Plain):
    name = "special"
    priority = 1
    suffixes = (".p", ".special")

    def has_signature(self, head: bytes) -> bool:
        return head.startswith(b"PS")


class Misnamed(Plain):
    pass


class Abstract(Format):
    name = "abstract"


def point(name: str, attribute: str) -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{attribute}", registry.GROUP)


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """Return the entry points that there are; a test may add some before it asks for formats."""
    found: list[EntryPoint] = []
    monkeypatch.setattr(metadata, "entry_points", lambda group: [*found])
    _forget()
    yield found
    _forget()


def _forget() -> None:
    for cached in (registry._entry_points, registry._loaded, registry._formats_and_faults):
        cached.cache_clear()


def test_formats_of_dxdask_are_entry_points() -> None:
    points = metadata.entry_points(group="dxdask.formats")
    assert {"cbf", "events", "nxmx", "smv"} <= {p.name for p in points}
    assert {f.name for f in registry.formats()} == {p.name for p in points}
    assert registry.known_suffixes()[:4] == (".nxs", ".h5", ".hdf5", ".cxi")


def test_the_highest_priority_wins(points: list[EntryPoint], tmp_path: Path) -> None:
    points += [point("plain", "Plain"), point("special", "Special")]
    file = tmp_path / "a.p"
    for content, name in ((b"P", "plain"), (b"PS", "special")):
        file.write_bytes(content)
        assert registry.format_of(file).name == name
    assert registry.known_suffixes() == (".p", ".special")
    file.write_bytes(b"S")
    with pytest.raises(FormatError, match=r"no known format.* are: special: plain.*; plain: plain"):
        registry.format_of(file)


def test_one_entry_point_found_twice_is_one_format(points: list[EntryPoint]) -> None:
    points += [point("plain", "Plain"), point("plain", "Plain")]
    assert [f.name for f in registry.formats()] == ["plain"]


def test_two_packages_of_one_name(points: list[EntryPoint]) -> None:
    points += [point("plain", "Plain"), point("plain", "Special")]
    with pytest.raises(FormatError, match="'plain' is declared by two packages"):
        registry.formats()


@pytest.mark.parametrize("attribute", ["Misnamed", "Abstract", "Missing", "EntryPoint"])
def test_a_package_at_fault_is_left_out(
    points: list[EntryPoint], attribute: str, caplog: pytest.LogCaptureFixture
) -> None:
    points += [point("plain", "Plain"), point("faulty", attribute)]
    with caplog.at_level(logging.WARNING, logger="dxdask"):
        for _ in range(2):
            assert [f.name for f in registry.formats()] == ["plain"]
    assert len(caplog.records) == 1
    assert f"'faulty' ({__name__}:{attribute})" in caplog.text
    assert "update or uninstall its package" in caplog.text
    with pytest.raises(FormatError, match="'faulty'"):
        registry.format_named("faulty")


def test_a_name_that_is_not_installed(points: list[EntryPoint]) -> None:
    points.append(point("plain", "Plain"))
    with pytest.raises(FormatError, match=r"'special' is not installed \(plain are\)"):
        registry.format_named("special")


def test_a_format_of_several_images_has_no_whole_files(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="plain are not read as one image"):
        Plain().read_frame(tmp_path / "a.p")
