"""What a large folder costs: time and memory of the data stages, and of adding images to it.

    python -m benchmarks.scale [--images 20000] [--more 100]

Draws smooth noise as small JPEG files in a folder of two classes, and runs download, prepare,
dedupe and split on it, each in a process of its own; then adds some images and runs them again.
The memory is that of the largest process of a stage.
"""

from cxr.pipeline.environment import configure

configure()

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from ruamel.yaml import YAML
from tqdm import trange

PROJECT = Path.cwd()
SIDE = 128
STAGES = {
    "download": "--downloads downloads --raw raw --index index.csv",
    "prepare": "--raw raw --index index.csv --pixels pixels.npy --masks masks.npy "
    "--lesions lesions.npy --images images.csv --store store",
    "dedupe": "--images images.csv --pixels pixels.npy --duplicates duplicates.csv "
    "--metrics dedupe.json --plots plots-dedupe",
    "split": "--images images.csv --duplicates duplicates.csv --pixels pixels.npy "
    "--split split.csv --metrics split.json --plots plots-split",
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--more", type=int, default=100)
    words = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        yaml = YAML()
        params = yaml.load(PROJECT / "params.yaml")
        params["dataset"], params["inbox"] = "folder", "inbox"
        yaml.dump(params, folder / "params.yaml")
        print("| images | stage | seconds | largest process, MB |\n|---|---|---|---|")
        for first, last in ((0, words.images), (words.images, words.images + words.more)):
            draw(folder / "inbox", first, last)
            for stage, options in STAGES.items():
                seconds, megabytes = cost(folder, stage, options)
                print(f"| {last} | {stage} | {seconds:.1f} | {megabytes:.0f} |", flush=True)


def draw(inbox: Path, first: int, last: int) -> None:
    """Write images `first` to `last` - 1."""
    for number in trange(first, last, desc="draw", disable=None):
        folder = inbox / ("odd" if number % 2 else "even")
        folder.mkdir(parents=True, exist_ok=True)
        coarse = np.random.default_rng(number).integers(0, 256, (20, 20), np.uint8)
        image: Any = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number:06}.jpg"), image)


def cost(folder: Path, stage: str, options: str) -> tuple[float, float]:
    """Run a stage; seconds by the clock, and megabytes of its largest process."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", f"stages.{stage}", "--params", "params.yaml", *options.split()],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{stage} failed: {said[-500:]}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
