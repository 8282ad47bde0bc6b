from pathlib import Path

import pytest

from cxr.pipeline.files import atomic_write, write_json


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_output_is_whole_or_as_it_was(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "out.d"

    def write(text: str) -> None:
        with atomic_write(target) as part:
            if kind == "folder":
                part.mkdir()
                (part / "inside").write_text(text)
            else:
                part.write_text(text)
            if text == "bad":
                raise RuntimeError

    write("first")
    write("second")
    with pytest.raises(RuntimeError):
        write("bad")
    read = target / "inside" if kind == "folder" else target
    assert read.read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["out.d"]


def test_json_has_fixed_bytes_and_no_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "m.json", {"b": 1 / 3, "a": {"n": 2, "x": [0.1 + 0.2]}})
    assert (tmp_path / "m.json").read_text() == (
        '{\n  "b": 0.333333,\n  "a": {\n    "n": 2,\n    "x": [\n      0.3\n    ]\n  }\n}\n'
    )
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "m.json", {"a": float("nan")})
