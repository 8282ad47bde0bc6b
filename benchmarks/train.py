"""Training speed in images/s, compared with other loaders in the same run.

    python -m benchmarks.train [--models resnet18 ...] [--size 224] [--images 512] [--file 299]
        [--device cpu]

For each network, this measures the train stage (Lightning, loading, augmentation), the same
training step on a batch in memory (the ceiling), and the same step with timm's loader and with
torchvision's ImageFolder and transforms.v2. These two read image files (grey PNG of 299 pixels, as
in the COVID-19 Radiography Database, or of --file pixels), which this pipeline decodes only once,
in prepare. They use the most similar augmentation that they have. Then it measures the loaders
alone.

The variants take turns, because the speed of a shared machine drifts. The result is the median over
the steps of all turns, because other users of the machine slow down single steps. All run under the
stage's settings for repeatable results. For a GPU, see benchmarks/gpu.py.
"""

from cxr.pipeline.environment import configure

configure(["--params", "params.yaml"])

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import timm.data
import torch
import torchvision
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from benchmarks.steps import (
    CLASSES,
    WARM_UP,
    Batches,
    build,
    ceiling,
    repeatable,
    size_of,
    stage,
    time_steps,
)
from cxr.models.devices import default_device
from cxr.pipeline.params import Params, Training, load
from stages.train.augment import build_transform
from stages.train.data import Subset, XrayDataset, build_loader, loading_processes


def main() -> None:
    """Read the command line, measure, print a table for each network and one for the loaders."""
    options = parse_arguments()
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    repeatable(True)
    params = load(Path("params.yaml"))
    settings = params.training().model_copy(
        update={"epochs": 2, "workers": options.workers, "batch_size": options.batch_size}
    )
    print(
        f"{options.size} px (files {options.file} px), batches of {options.batch_size}, "
        f"{options.workers} workers"
    )
    print(f"{torch.get_num_threads()} threads, {options.repeats} turns")
    print("images/s (relative to the first)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subset = write_images(folder, options.images, options.size, options.file)
        training = XrayDataset(folder / "pixels.npy", subset, 0, build_transform(settings.augment))
        few = Subset(subset.rows[:8], subset.targets[:8])
        validation = XrayDataset(folder / "pixels.npy", few, 0, None)
        other_loaders: dict[str, Callable[[], Batches]] = {
            "timm's loader": partial(timm_loader, folder, settings, options.size),
            "ImageFolder": partial(image_folder, folder, settings, options.size),
        }
        for model in options.models:
            arguments = (params, model, settings, training)
            variants = {
                "ceiling": partial(ceiling, *arguments),
                "stage": partial(stage, *arguments, validation),
                **{
                    name: partial(step_with_loader, *arguments, make)
                    for name, make in other_loaders.items()
                },
            }
            compare(model, variants, options.repeats)
        loaders: dict[str, Callable[[], Batches]] = {
            "this loader": partial(build_loader, training, settings, torch.device("cpu")),
            **other_loaders,
        }
        compare(
            "loaders alone",
            {name: partial(load_all, make) for name, make in loaders.items()},
            options.repeats,
        )


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--models", nargs="*", default=["resnet18", "mobilenetv2"])
    parser.add_argument("--size", type=int, default=224, help="pixels")
    parser.add_argument("--file", type=int, default=299, help="pixels of the image files")
    parser.add_argument("--images", type=int, default=512, help="in an epoch")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", choices=["auto", "cpu"], default="auto")
    return parser.parse_args()


def write_images(folder: Path, count: int, size: int, file: int) -> Subset:
    """Write random smooth images with noise, as PNG files (of `file` pixels) and as pixels.npy."""
    random = np.random.default_rng(0)
    pixels = np.empty((count, size, size), np.uint8)
    targets = np.arange(count) % len(CLASSES)
    for row in range(count):
        coarse = random.uniform(20, 235, (8, 8)).astype(np.float32)
        smooth = cv2.resize(coarse, (file, file), interpolation=cv2.INTER_CUBIC)
        image = (smooth + random.normal(0, 3, (file, file))).clip(0, 255).astype(np.uint8)
        pixels[row] = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        path = folder / "png" / CLASSES[targets[row]] / f"{row:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)
    np.save(folder / "pixels.npy", pixels)
    return Subset(np.arange(count), targets)


def timm_loader(folder: Path, settings: Training, size: int) -> Batches:
    """Build timm's loader of grey images. It has no rotation, and crops instead of shifting."""
    augment = settings.augment
    return timm.data.create_loader(
        timm.data.create_dataset("", str(folder / "png"), input_img_mode="L"),
        input_size=(1, size, size),
        batch_size=settings.batch_size,
        is_training=True,
        use_prefetcher=False,
        scale=((1 - augment.zoom) ** 2, 1.0),
        ratio=(1.0, 1.0),
        hflip=augment.horizontal_flip,
        color_jitter=(augment.brightness, augment.contrast, 0.0),  # type: ignore[arg-type]
        interpolation="bilinear",
        mean=(0.5,),
        std=(0.25,),
        num_workers=loading_processes(settings, default_device()),
        persistent_workers=False,
        device=torch.device("cpu"),
    )


def image_folder(folder: Path, settings: Training, size: int) -> Batches:
    """Build the loader that most notebooks use: RGB, torchvision's transforms."""
    augment = settings.augment
    transform = v2.Compose(
        [
            v2.Resize((size, size)),
            v2.ColorJitter(augment.brightness, augment.contrast),
            v2.RandomAffine(
                augment.rotate,
                (augment.shift, augment.shift),
                (1 - augment.zoom, 1 + augment.zoom),
                interpolation=v2.InterpolationMode.BILINEAR,
            ),
            v2.RandomHorizontalFlip(augment.horizontal_flip),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5] * 3, [0.25] * 3),
        ]
    )
    return DataLoader(
        torchvision.datasets.ImageFolder(str(folder / "png"), transform),
        settings.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=loading_processes(settings, default_device()),
    )


def step_with_loader(
    params: Params,
    name: str,
    settings: Training,
    training: XrayDataset,
    make: Callable[[], Batches],
) -> list[float]:
    """Measure the same step with another loader."""
    classifier, precision = build(params, name, size_of(training))
    batches = ((images[:, :1], targets) for images, targets in endless(make()))
    steps = len(training.subset) // settings.batch_size
    return time_steps(classifier.network, precision, settings, islice(batches, steps + WARM_UP))


def endless(batches: Batches) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of one epoch after another."""
    while True:
        yield from batches


def load_all(make: Callable[[], Batches]) -> list[float]:
    """Measure images/s of a loader alone, without the start of its workers."""
    batches = iter(make())
    next(batches)
    started = time.perf_counter()
    images = sum(len(targets) for _, targets in batches)
    return [images / (time.perf_counter() - started)]


def compare(title: str, variants: Mapping[str, Callable[[], list[float]]], repeats: int) -> None:
    """Let the variants take turns; print the median speed of each, and relative to the first."""
    speeds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(repeats):
        for name, measure in variants.items():
            speeds[name] += measure()
    medians = {name: statistics.median(speeds[name]) for name in variants}
    print(f"\n{title}")
    for name, speed in medians.items():
        print(f"  {name:<15}{speed:9.1f}{speed / next(iter(medians.values())):9.2f}", flush=True)


if __name__ == "__main__":
    main()
