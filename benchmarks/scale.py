"""What a large folder costs: time and memory of the data stages, and of adding images to it.

    python -m benchmarks.scale [--images 10000 30000 100000] [--more 100]

Draws smooth noise as JPEG files in a folder of two classes, three of each pattern: an image, a copy
that was encoded again, and one that looks alike but differs in detail. So there is one candidate
for a duplicate an image: a third are copies, and the rest are so alike that only their detail at
256 pixels tells them apart. Runs download, prepare, dedupe and split on it, each in processes of
its own; then adds some images and runs them again. The memory is that of the largest process.
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
SIDE = 192
STAGES = {
    "download": "--downloads downloads --raw raw --index index.csv",
    "prepare": "--raw raw --index index.csv --pixels pixels.npy --thumbnails thumbnails.npy "
    "--masks masks.npy --lesions lesions.npy --images images.csv --store store",
    "dedupe": "--raw raw --images images.csv --thumbnails thumbnails.npy --pairs pairs.csv "
    "--duplicates duplicates.csv --details dedupe.json --plots plots-dedupe "
    "--earlier earlier.npz",
    "split": "--images images.csv --pairs pairs.csv --duplicates duplicates.csv "
    "--pixels pixels.npy --split split.csv --metrics data.json --details split.json "
    "--plots plots-split",
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--more", type=int, default=100)
    words = parser.parse_args()
    print("| images | stage | seconds | CPU seconds | largest process, MB |")
    print("|---|---|---|---|---|")
    for images in words.images:
        with TemporaryDirectory() as name:
            folder = Path(name)
            yaml = YAML()
            params = yaml.load(PROJECT / "params.yaml")
            params["dataset"], params["inbox"] = "folder", "inbox"
            yaml.dump(params, folder / "params.yaml")
            for first, last in ((0, images), (images, images + words.more)):
                draw(folder / "inbox", first, last)
                for stage, options in STAGES.items():
                    seconds, processor, megabytes = cost(folder, stage, options)
                    numbers = f"{seconds:.1f} | {processor:.1f} | {megabytes:.0f}"
                    print(f"| {last} | {stage} | {numbers} |", flush=True)


def draw(inbox: Path, first: int, last: int) -> None:
    """Write images `first` to `last` - 1."""
    for number in trange(first, last, desc="draw", disable=None):
        pattern, kind = divmod(number, 3)
        folder = inbox / ("odd" if pattern % 2 else "even")
        folder.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng((pattern, kind == 2))
        coarse = np.random.default_rng(pattern).integers(58, 198, (20, 20), np.uint8)
        detail = random.integers(-50, 51, (SIDE // 2, SIDE // 2), np.int8)
        image: Any = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        fine: Any = cv2.resize(detail.astype(np.float32), (SIDE, SIDE))
        levels = (image + fine).clip(0, 255).astype(np.uint8)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 70 if kind == 1 else 90]
        cv2.imwrite(str(folder / f"{number:06}.jpg"), levels, quality)


def cost(folder: Path, stage: str, options: str) -> tuple[float, float, float]:
    """Run a stage; seconds by the clock, CPU seconds, megabytes of the largest process."""
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
    seconds = time.perf_counter() - start
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
