"""The data stages write the same bytes whatever the processor's vector units and its cores.

Each variable switches off what it can in one library: the units that an older processor lacks.
"""

import sys
from pathlib import Path

import pytest

from tests.helpers.params import changed
from tests.helpers.stage_runs import DATA, file_hashes, run_python, run_stages

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


def data_stages(folder: Path, variables: dict[str, str]) -> dict[str, str]:
    """Run the data stages in a folder on the phantom; the hash of every file of their results.

    What prepare and dedupe keep for their next run is none.
    """
    changed(folder, prepare__image_size=64, phantom__patients=24, split__folds=3)
    run_stages(folder, DATA, {"OMP_NUM_THREADS": "1", **variables})
    kept = (".sqlite", "earlier.npz")
    hashes = file_hashes(folder)
    return {name: digest for name, digest in hashes.items() if not name.endswith(kept)}


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
pictures = [decode(data, SETTINGS, 64).grey for data, _, _ in GOOD.values()]
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
        words = [sys.executable, "-W", "ignore", "-c", ODD]
        return run_python(words, tmp_path, {"OMP_NUM_THREADS": "1", **variables})

    here = digest({})
    if digest(SETTINGS["an old processor"]) != here:
        pytest.fail(f"by {[name for name, each in OLD_PROCESSOR.items() if digest(each) != here]}")
