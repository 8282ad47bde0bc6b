from pathlib import Path

import pytest

from cxr.pipeline import fingerprint as module
from cxr.pipeline.fingerprint import fingerprint


def test_it_depends_on_all_that_is_named_and_on_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROJECT", tmp_path)
    code, data = tmp_path / "used/deep/code.py", tmp_path / "data"
    for path in (code, data, tmp_path / "used/notes.md", tmp_path / "unused/code.py"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")

    def now(setting: int = 1, library: str = "numpy") -> str:
        return fingerprint(["used"], [library], {"a": setting, "b": 0}, [data])

    first = now()
    (tmp_path / "used/notes.md").write_text("2")
    (tmp_path / "unused/code.py").write_text("2")
    assert now() == first == fingerprint(["used"], ["numpy"], {"b": 0, "a": 1}, [data])
    others = [now(setting=2), now(library="pandas")]
    for path in (code, data):
        path.write_text("2")
        others.append(now())
    assert len({first, *others}) == 5
