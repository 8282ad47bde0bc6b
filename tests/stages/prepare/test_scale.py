"""Memory that does not grow with the number of images, and other ways to spread the work."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.prepare.outcomes import outcomes
from tests.helpers.closure import ROOT
from tests.helpers.prepare_settings import SETTINGS, index

# Peak memory in MB of the process that gathers and writes, for a number of large squares.
PEAK = """
import resource, sys
from pathlib import Path
import pandas as pd
from stages.prepare.__main__ import Arrays, prepare
from stages.prepare.arrays import ArrayWriter
from tests.helpers.prepare_settings import SETTINGS, index
folder, count = Path(sys.argv[1]), int(sys.argv[2])
settings = SETTINGS.model_copy(update={"image_size": 512, "backend": "threading"})
table = index([f"{number}.png" for number in range(count)])
with (
    ArrayWriter(folder / "p.npy", 512) as pixels,
    ArrayWriter(folder / "t.npy", 64) as thumbnails,
    ArrayWriter(folder / "m.npy", 512) as masks,
    ArrayWriter(folder / "l.npy", 512) as lesions,
):
    arrays = Arrays(pixels, thumbnails, masks, lesions)
    prepare(table, folder, settings, folder / "store", arrays)
assert pixels.count == count
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak(folder: Path, count: int) -> int:
    folder.mkdir()
    grey = np.zeros((64, 64), np.uint8)
    for number in range(count):
        grey.flat[number] = 255
        Image.fromarray(grey).save(folder / f"{number}.png")
    result = subprocess.run(
        [sys.executable, "-c", PEAK, str(folder), str(count)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return int(result.stdout)


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    # 800 more squares are 200 MB.
    assert peak(tmp_path / "many", 1000) - peak(tmp_path / "few", 200) < 60


@pytest.mark.parametrize("backend", ["threading", "dask"])
def test_every_backend_gives_the_same(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend == "dask":
        distributed = pytest.importorskip("distributed")
        cluster = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        )
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.scheduler_address)
    random = np.random.default_rng(0)
    for number in range(70):
        Image.fromarray(random.integers(0, 256, (70, 90), np.uint8)).save(
            tmp_path / f"{number}.png"
        )
    names = sorted(path.name for path in tmp_path.glob("*.png"))

    def run(backend: str) -> list[dict[str, object]]:
        settings = SETTINGS.model_copy(update={"backend": backend})
        found = outcomes(index(names), tmp_path, settings, tmp_path / f"store/{backend}.sqlite")
        return [outcome.facts for outcome in found]

    assert run(backend) == run("loky")
    if backend == "dask":
        assert cluster.scheduler.transition_counter > 0, "another cluster did the work"
        cluster.close()
