"""Training speed of the train stage on a GPU, in images/s. For a machine with one NVIDIA GPU.

    python -m benchmarks.gpu [--models resnet18 ...] [--size 224] [--batch-size 64] [--minutes 7]

For each network, in bf16 where the GPU has it:

- stage: the train stage (Lightning, loading, augmentation, logging).
- ceiling: the same step on a batch that is on the GPU already, without the stage, under the same
  settings for repeatable results.
- one by one: the same as the ceiling without CUDA graphs: Python starts each kernel.
- defaults: the stage with the batch size of params.yaml, compared with the ceiling at that size.
- best: a plain loop at the network's best: torch.compile, batches of 256, cuDNN's fastest
  algorithms. Compiling takes a minute: networks for which --minutes leaves no time are left out.

They take turns. A speed is that of a whole epoch. The fastest turn counts, because other processes
on the machine can only slow it down. It needs neither data nor a network connection.
"""

from cxr.pipeline.environment import configure

configure(["--params", "params.yaml"])

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.steps import CLASSES, ceiling, repeatable, stage
from cxr.commands.markdown import markdown_table
from cxr.models.devices import default_device
from cxr.pipeline.params import Params, Training, load
from stages.train.augment import build_transform
from stages.train.data import Subset, XrayDataset, loading_processes

DIFFERENT_IMAGES = 1024
BEST_STEPS = 20


def main() -> None:
    """Read the command line, measure each network, print the tables."""
    options = parse_arguments()
    stop_at = time.monotonic() + 60 * options.minutes
    params = load(Path("params.yaml"))
    defaults = params.training().model_copy(update={"epochs": 2})
    settings = defaults.model_copy(update={"batch_size": options.batch_size})
    best = defaults.model_copy(update={"batch_size": options.best_batch_size})
    print(machine(), f"{loading_processes(settings, default_device())} processes load images")
    speeds: dict[str, dict[str, float]] = {name: {} for name in options.models}
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "pixels.npy"
        shape = (DIFFERENT_IMAGES, options.size, options.size)
        np.save(path, np.random.default_rng(0).integers(0, 256, shape, np.uint8))
        for model, found in speeds.items():
            for _ in range(options.turns):
                measure(found, params, model, settings, dataset(path, settings, options.images))
            few = dataset(path, defaults, options.images // 4)
            measure(found, params, model, defaults, few, "defaults ")
            print(model, rounded(found), flush=True)
        few = dataset(path, best, BEST_STEPS * best.batch_size)
        for model, found in speeds.items():
            if time.monotonic() < stop_at:
                found |= at_best(params, model, best, few)
                print(model, rounded(found), f"{stop_at - time.monotonic():.0f} s left", flush=True)
    print()
    print(table(speeds, settings.batch_size), "\n")
    print(table(speeds, defaults.batch_size, "defaults "), "\n")
    for model, found in speeds.items():
        if "best" in found:
            ratio = found["stage"] / found["best"]
            print(f"{model}: {found['best']:,.0f} at its best; the stage reaches {ratio:.2f} of it")


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    networks = ["resnet18", "resnet50", "mobilenetv2", "densenet121"]
    parser.add_argument("--models", nargs="+", default=networks)
    parser.add_argument("--size", type=int, default=224, help="pixels")
    parser.add_argument("--images", type=int, default=8192, help="in an epoch")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--best-batch-size", type=int, default=256)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument(
        "--minutes", type=float, default=7, help="after which no further network is compiled"
    )
    return parser.parse_args()


def machine() -> str:
    """The card, the cores and the versions that a speed depends on."""
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    cores = len(os.sched_getaffinity(0))
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{card}, {cores} cores, {versions},"


def dataset(path: Path, settings: Training, count: int) -> XrayDataset:
    """A training data set of `count` images, with augmentation; images repeat."""
    rows = np.arange(count)
    subset = Subset(rows % DIFFERENT_IMAGES, rows % len(CLASSES))
    return XrayDataset(path, subset, settings.seed, build_transform(settings.augment))


def measure(
    found: dict[str, float],
    params: Params,
    model: str,
    settings: Training,
    training: XrayDataset,
    prefix: str = "",
) -> None:
    """Measure both loops and the stage once; keep the fastest epoch of each in `found`."""
    few = Subset(training.subset.rows[:8], training.subset.targets[:8])
    validation = XrayDataset(training.path, few, 0, None)
    repeatable(True)
    for name, steps in (
        ("one by one", ceiling(params, model, settings, training, "one by one")),
        ("ceiling", ceiling(params, model, settings, training, "graph")),
        ("stage", stage(params, model, settings, training, validation)),
    ):
        # All steps have equally many images.
        speed = statistics.harmonic_mean(steps)
        found[prefix + name] = max(speed, found.get(prefix + name, 0.0))


def at_best(
    params: Params, model: str, settings: Training, training: XrayDataset
) -> dict[str, float]:
    """Measure the compiled network; nothing where it cannot be compiled (no C compiler)."""
    repeatable(False)
    try:
        steps = ceiling(params, model, settings, training, "compiled")
    # The type of the error depends on what torch.compile lacks.
    except Exception as error:
        print(f"{model} cannot be compiled: {str(error)[:500]}", flush=True)
        return {}
    return {"best": statistics.harmonic_mean(steps)}


def rounded(speeds: dict[str, float]) -> str:
    """Speeds in one line."""
    return ", ".join(f"{name} {speed:.0f}" for name, speed in speeds.items())


def table(speeds: dict[str, dict[str, float]], batch: int, prefix: str = "") -> str:
    """A markdown table of docs/training.md, of batches of one size."""
    header = ["`model`", f"one by one, batches of {batch}", "ceiling", "train stage"]
    header += ["stage / one by one", "stage / ceiling"]
    rows = []
    for model, found in speeds.items():
        slow, ceiling, stage = (found[prefix + name] for name in ("one by one", "ceiling", "stage"))
        cells = [f"{speed:,.0f}" for speed in (slow, ceiling, stage)]
        cells += [f"{ratio:.2f}" for ratio in (stage / slow, stage / ceiling)]
        rows.append([f"`{model}`", *cells])
    return markdown_table(header, rows)


if __name__ == "__main__":
    main()
