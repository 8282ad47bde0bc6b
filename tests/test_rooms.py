"""Which room may use which: commands use stages, both use the library, and never back."""

from pathlib import Path

import pytest

from tests.helpers.closure import ROOT, imports

FILES = [
    path.relative_to(ROOT)
    for top in ("cxr", "stages", "benchmarks", "tests")
    for path in sorted((ROOT / top).rglob("*.py"))
]
# What each room of the library may use, beside itself.
BELOW = {
    "pipeline": set(),
    "datasets": {"pipeline"},
    "images": {"pipeline"},
    "models": {"pipeline"},
    "metrics": {"pipeline"},
    "plotting": {"pipeline"},
    "heatmaps": {"pipeline", "models", "plotting"},
}


def rooms(path: Path) -> set[tuple[str, str]]:
    """The rooms, such as (cxr, images) or (stages, train), that a file imports from."""
    names = [name.split(".") for name in imports(path)]
    return {(parts[0], parts[1]) for parts in names if len(parts) > 1}


def test_all_rooms_are_known() -> None:
    there = {path.parts[1] for path in FILES if path.parts[0] == "cxr" and len(path.parts) > 2}
    assert there == {*BELOW, "commands"}


@pytest.mark.parametrize("room", BELOW)
def test_a_room_of_the_library_uses_only_those_below_it(room: str) -> None:
    for path in FILES:
        if path.parts[:2] == ("cxr", room):
            used = {names for names in rooms(path) if names[0] in ("cxr", "stages")}
            assert used <= {("cxr", name) for name in (room, *BELOW[room])}, path


def test_a_stage_uses_the_library_and_no_other_stage() -> None:
    for path in FILES:
        if path.parts[0] == "stages" and len(path.parts) > 2:
            used = {names for names in rooms(path) if names[0] in ("cxr", "stages")}
            allowed = {("cxr", name) for name in BELOW} | {("stages", path.parts[1])}
            assert used <= allowed, path


def test_what_tests_share_lies_with_their_helpers() -> None:
    for path in FILES:
        if path.parts[0] == "tests":
            assert {name for top, name in rooms(path) if top == "tests"} <= {"helpers"}, path
