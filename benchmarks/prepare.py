"""Speed of prepare, compared with reading the same files with OpenCV alone, and with imagededup.

    python -m benchmarks.prepare [--images FOLDER] [--files 600] [--repeats 3]

FOLDER contains real X-rays; without it, and if ../shared/data does not exist, smooth noise is used.
All variants use the same number of processes, which start before the measurement. The fastest
repeat counts, because other processes on the machine can only slow it down. imagededup is optional:
`pip install --no-deps --target FOLDER imagededup` installs it, and PYTHONPATH=FOLDER finds it.
"""

from cxr.pipeline.environment import configure

configure()

import argparse
import contextlib
import io
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import joblib
import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from cxr.pipeline.params import Prepare, load
from stages.prepare.outcomes import BLOCK, outcomes

SHARED = Path("../shared/data/covid19_image")
LARGE = (2000, 2500)
SMALL = (299, 299)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=SHARED)
    parser.add_argument("--files", type=int, default=600, help="small ones; a tenth as many large")
    parser.add_argument("--repeats", type=int, default=3)
    words = parser.parse_args()
    settings = load(Path("params.yaml")).prepare
    processes = joblib.cpu_count()
    print(
        f"{processes} processes; squares of {settings.image_size} px; two busy loops at once take"
    )
    print(f"{calibration():.2f} x the time of one: above 1.1, others use this machine's cores.\n")
    print(
        "| files | read by OpenCV, ms | prepare, ms | ratio | again, ms | imagededup, ms | ratio |"
    )
    print("|---|---|---|---|---|---|---|")
    with TemporaryDirectory() as folder:
        sources = sorted(path for path in words.images.rglob("*.*") if path.is_file())
        for name, shape, count in (
            ("2000 x 2500 PNG", LARGE, words.files // 10),
            ("2000 x 2500 JPEG", LARGE, words.files // 10),
            ("299 x 299 PNG", SMALL, words.files),
        ):
            made = Path(folder, name.replace(" ", ""))
            make(made, sources, shape, count, name.split()[-1].lower())
            print(row(name, made, settings, processes, words.repeats), flush=True)


def make(folder: Path, sources: list[Path], shape: tuple[int, int], count: int, kind: str) -> None:
    """Write `count` grey images of one size and format."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        if sources:
            path = sources[number % len(sources)]
            grey = np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)
        else:
            grey = random.integers(0, 256, (40, 40), np.uint8)
        # Different rotation and noise, so that no two images are equal.
        image: Any = cv2.resize(np.rot90(grey, number // max(1, len(sources))), shape)
        grain = random.normal(0, 1, image.shape)
        cv2.imwrite(str(folder / f"{number:05}.{kind}"), np.clip(image + grain, 0, 255))


def row(name: str, folder: Path, settings: Prepare, processes: int, repeats: int) -> str:
    """One line of the table: milliseconds for each image, and ratios to the baseline."""
    paths = sorted(folder.iterdir())
    columns = ("label", "patient", "source", "official_split", "view", "mask", "lesion")
    index = pd.DataFrame({"image": [path.name for path in paths]}).assign(
        **dict.fromkeys(columns, "")
    )
    store = folder.parent / f"{folder.name}.sqlite"

    def prepare() -> None:
        for outcome in outcomes(index, folder, settings, store):
            assert outcome.pixels is not None, outcome.facts

    def prepare_anew() -> None:
        store.unlink(missing_ok=True)
        prepare()

    def read() -> None:
        blocks = (paths[start : start + BLOCK] for start in range(0, len(paths), BLOCK))
        Parallel(n_jobs=-1)(delayed(read_all)(block) for block in blocks)

    tasks: dict[str, Callable[[], object]] = {"read": read, "new": prepare_anew, "again": prepare}
    encode = imagededup(folder, processes)
    if encode:
        tasks["imagededup"] = encode
    least = dict.fromkeys(tasks, float("inf"))
    for turn in range(repeats + 1):
        for task, work in tasks.items():
            start = time.perf_counter()
            work()
            # The first turn starts the processes.
            if turn:
                least[task] = min(least[task], time.perf_counter() - start)
    cost = {task: 1000 * seconds / len(paths) for task, seconds in least.items()}
    line = f"| {len(paths)} {name} | {cost['read']:.2f} | {cost['new']:.2f} "
    line += f"| {cost['new'] / cost['read']:.2f} | {cost['again']:.2f} "
    if not encode:
        return line + "| not installed | |"
    return line + f"| {cost['imagededup']:.2f} | {cost['imagededup'] / cost['new']:.2f} |"


def read_all(paths: list[Path]) -> None:
    """The baseline: decode each file."""
    cv2.setNumThreads(1)
    for path in paths:
        cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)


def imagededup(folder: Path, processes: int) -> Callable[[], object] | None:
    """imagededup's encoding of a folder, if it is installed."""
    try:
        from imagededup.methods import PHash
    except ImportError:
        return None
    quiet = PHash(verbose=False)

    def encode() -> None:
        with contextlib.redirect_stderr(io.StringIO()):
            codes = quiet.encode_images(folder, num_enc_workers=processes)
        assert len(codes) == len(list(folder.iterdir()))

    return encode


def calibration() -> float:
    """How much longer two busy loops take side by side than one alone."""

    def seconds(jobs: int) -> float:
        start = time.perf_counter()
        Parallel(n_jobs=2)(delayed(sum)(range(10**7)) for _ in range(jobs))
        return time.perf_counter() - start

    seconds(2)
    alone = min(seconds(1) for _ in range(3))
    return min(seconds(2) for _ in range(3)) / alone


if __name__ == "__main__":
    main()
