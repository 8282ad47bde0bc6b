"""Imports change nothing; what the environment must say, entry points say before all else."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cxr.pipeline.environment import PORTABLE, QUIET, STEADY, THREADS, configure
from tests.helpers.closure import ROOT

# Not benchmarks/peers.py, which runs where this project is not installed.
ENTRIES = sorted(
    path
    for pattern in ("stages/*/__main__.py", "benchmarks/*.py")
    for path in ROOT.glob(pattern)
    if path.name != "peers.py" and 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
)
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for top in ("cxr", "stages")
    for path in sorted((ROOT / top).rglob("*.py"))
    if path.stem not in ("__init__", "__main__")
]
# What the project sets where it uses the library, and Python's own state.
STATE = """
import os, importlib, sys
import cv2, PIL.Image, torch
def state():
    known = {name: os.environ.get(name) for name in NAMES}
    return known, cv2.getNumThreads(), PIL.Image.MAX_IMAGE_PIXELS, torch.backends.cudnn.allow_tf32
# CUDA sees all GPUs from the first question on, whatever is reserved later.
def asked(): raise SystemExit(f"CUDA was asked by {name}")
torch._C._cuda_getDeviceCount = asked
before = state()
for name in MODULES:
    importlib.import_module(name)
    assert state() == before, name
"""


@pytest.mark.parametrize("path", ENTRIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_entry_point_configures_before_it_imports_anything_heavy(path) -> None:
    statements = ast.parse(path.read_text(encoding="utf-8")).body[1:]
    while isinstance(statements[0], ast.Import) and statements[0].names[0].name == "sys":
        statements = statements[1:]
    assert ast.unparse(statements[0]).startswith("from cxr.pipeline.environment import ")
    assert ast.unparse(statements[1]).startswith("configure(")


def test_no_other_module_changes_anything_when_it_is_imported() -> None:
    assert len(MODULES) > 80
    code = f"NAMES = {sorted(QUIET | STEADY)}\nMODULES = {MODULES}\n{STATE}"
    bare = {name: value for name, value in os.environ.items() if name not in QUIET | STEADY}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=bare, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


def test_it_imports_nothing_that_reads_the_environment() -> None:
    code = "import sys; before = set(sys.modules); import cxr.pipeline.environment; "
    code += "new = {name.split('.')[0] for name in set(sys.modules) - before}; "
    code += "print(sorted(new - sys.stdlib_module_names))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout == "['cxr']\n"


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.delenv("MPLBACKEND", raising=False)
    configure()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    assert os.environ["MPLBACKEND"] == "Agg"


@pytest.mark.parametrize("stage", ["train", "evaluate", "gradcam"])
def test_stages_that_compute_with_networks_configure_by_their_settings(stage: str) -> None:
    assert "configure(sys.argv)" in (ROOT / "stages" / stage / "__main__.py").read_text()


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [
        ("{portable: true, threads: 3}", ("AVX2", "Haswell", "3")),
        ("{portable: false, threads: 3}", (None, "SkylakeX", "8")),
        # Reported by the stage, which reads the file next.
        ("nonsense", (None, "SkylakeX", "8")),
    ],
)
def test_a_portable_run_overrides_what_this_machine_sets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cpu: str, expected: tuple[str | None, ...]
) -> None:
    names = ("ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE", "OMP_NUM_THREADS")
    for name in (*PORTABLE, *THREADS):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "SkylakeX")
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    (tmp_path / "params.yaml").write_text(f"cpu: {cpu}\n")
    configure(["stages.train", "--params", str(tmp_path / "params.yaml"), "--model", "m"])
    assert tuple(os.environ.get(name) for name in names) == expected
