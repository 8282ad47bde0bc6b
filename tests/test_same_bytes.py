"""The data stages write the same bytes whatever the processor's vector units and its cores.

Each variable switches off what it can in one library: the units that an older processor lacks.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.closure import ROOT
from tests.helpers.params import changed

OLD_PROCESSOR = {
    "numpy": {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"},
    "OpenCV": {"OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,AVX,FMA3,FP16,SSE4.2,SSE4.1"},
    "OpenCV without IPP": {"OPENCV_IPP": "disabled"},
    "OpenBLAS": {"OPENBLAS_CORETYPE": "Nehalem"},
    "torch": {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"},
    "libjpeg-turbo": {"JSIMD_FORCENONE": "1"},
    "the C library": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX512F,-FMA,-AVX,-ERMS"},
}
SETTINGS = {
    "an old processor": {
        "LOKY_MAX_CPU_COUNT": "1",
        **{name: value for each in OLD_PROCESSOR.values() for name, value in each.items()},
    },
    "two processes": {"LOKY_MAX_CPU_COUNT": "2"},
}
# In one process, because starting takes longer than the work.
RUN = """
import json, runpy, sys
for name, *sys.argv[1:] in json.loads(sys.argv[1]):
    runpy.run_module(f"stages.{name}", run_name="__main__")
"""
PATHS = {
    "download": ["downloads=downloads", "raw=raw", "index=index.csv"],
    "prepare": [
        "raw=raw", "index=index.csv", "store=store",
        "pixels=pixels.npy", "masks=masks.npy", "images=images.csv",
    ],
    "dedupe": [
        "images=images.csv", "pixels=pixels.npy",
        "duplicates=duplicates.csv", "metrics=dedupe.json", "plots=plots-dedupe",
    ],
    "split": [
        "images=images.csv", "duplicates=duplicates.csv", "pixels=pixels.npy",
        "split=split.csv", "metrics=split.json", "plots=plots-split",
    ],
}  # fmt: skip


def data_stages(folder: Path, variables: dict[str, str]) -> dict[str, str]:
    """Run the data stages in a folder on the phantom; the hash of every file they write."""
    params = changed(folder, prepare__image_size=64, phantom__patients=24, split__folds=3)
    stages = []
    for stage, paths in PATHS.items():
        words = [word for path in paths for word in f"--{path}".split("=")]
        stages.append([stage, "--params", str(params), *words])
    run([sys.executable, "-c", RUN, json.dumps(stages)], folder, variables)
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".sqlite"
    }


def run(words: list[str], folder: Path, variables: dict[str, str]) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    result = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return data_stages(tmp_path_factory.mktemp("here"), {"LOKY_MAX_CPU_COUNT": "1"})


@pytest.mark.parametrize("switched", SETTINGS)
def test_of_the_phantom(here: dict[str, str], tmp_path: Path, switched: str) -> None:
    assert len(here) > 50
    assert data_stages(tmp_path, SETTINGS[switched]) == here


# Every odd file at three sizes: shrunk, enlarged, and far too large.
ODD = """
import hashlib
import numpy as np
from PIL import Image
from cxr.images.decode import decode
from cxr.images.resize import fit
from cxr.images.phash import phashes
from tests.helpers.odd_files import GOOD
from tests.helpers.prepare_settings import SETTINGS
pictures = [decode(data, SETTINGS).grey for data, _, _ in GOOD.values()]
smooth = np.random.default_rng(0).integers(0, 256, (9, 9), np.uint8)
pictures += [Image.fromarray(smooth).resize((side, side)) for side in (96, 299, 500, 1111)]
fitted = [fit(grey, size, how) for grey in pictures
          for size in (32, 96, 224) for how in ("crop", "pad", "stretch")]
found = hashlib.sha256(b"".join(grey.tobytes() for grey in fitted))
found.update("".join(phashes(fitted)).encode())
print(found.hexdigest())
"""


def test_of_odd_files(tmp_path: Path) -> None:
    def digest(variables: dict[str, str]) -> str:
        return run([sys.executable, "-W", "ignore", "-c", ODD], tmp_path, variables)

    here = digest({})
    if digest(SETTINGS["an old processor"]) != here:
        pytest.fail(f"by {[name for name, each in OLD_PROCESSOR.items() if digest(each) != here]}")
