"""How fast training is, side by side in one run: images/s.

    python -m benchmarks.train [--models resnet18 ...] [--size 224] [--images 512] [--file 299]
        [--device cpu]

For each network: the train stage as it runs (Lightning, real loading, augmentation); the same
step on images that are in memory already (the ceiling); the same step fed by timm's loader and
by torchvision's ImageFolder with transforms.v2, both with the nearest augmentation they have, from
the image files (grey PNG; 299 pixels, as in the COVID-19 Radiography Database, or --file) that
this pipeline has decoded once, in prepare. Then the loaders alone. The variants take turns,
because the speed of a shared machine drifts; a step counts by its median over all turns, because
other users of the machine stretch single steps.
"""

from cxr.pipeline.environment import configure

configure(["--params", "params.yaml"])

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import timm.data
import torch
import torchvision
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from cxr.models.classifier import Classifier
from cxr.models.devices import default_device
from cxr.models.info import ModelInfo
from cxr.pipeline.params import Params, Train, load
from stages.train.augment import build_transform
from stages.train.data import Subset, XrayDataset, build_loader
from stages.train.history import History
from stages.train.module import TrainingModule
from stages.train.optimizer import build_optimizer
from stages.train.trainer import choose_precision, fit

CLASSES = ["a", "b"]
Batches = Iterable[tuple[Tensor, Tensor]]


class Timed(TrainingModule):
    """A network in training that keeps the seconds of each step, the wait for its images in it."""

    ends: list[float]

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        self.ends = [time.perf_counter()]

    def on_train_batch_end(self, *args: object) -> None:
        synchronise(self.device)
        self.ends.append(time.perf_counter())


def main() -> None:
    """Read the command line, measure, print two tables."""
    options = arguments()
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    params = load(Path("params.yaml"))
    settings = params.train.model_copy(
        update={"epochs": 2, "workers": options.workers, "batch_size": options.batch_size}
    )
    print(
        f"{options.size} px (files {options.file} px), batches of {options.batch_size}, "
        f"{options.workers} workers"
    )
    print(f"{torch.get_num_threads()} threads, {options.repeats} turns; images/s (share of first)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = draw(folder, options.images, options.size, options.file)
        training = XrayDataset(folder / "pixels.npy", images, 0, build_transform(settings.augment))
        few = Subset(images.rows[:8], images.targets[:8])
        validation = XrayDataset(folder / "pixels.npy", few, 0, None)
        others: dict[str, Callable[[], Batches]] = {
            "timm's loader": partial(timm_loader, folder, settings, options.size),
            "ImageFolder": partial(image_folder, folder, settings, options.size),
        }
        for model in options.models:
            same = (params, model, settings, training)
            variants = {
                "ceiling": partial(ceiling, *same),
                "stage": partial(stage, *same, validation),
                **{what: partial(fed, *same, make) for what, make in others.items()},
            }
            report(model, variants, options.repeats)
        loaders: dict[str, Callable[[], Batches]] = {
            "this loader": partial(build_loader, training, settings, pin_memory=False),
            **others,
        }
        report(
            "loading alone",
            {what: partial(drained, make) for what, make in loaders.items()},
            options.repeats,
        )


def arguments() -> argparse.Namespace:
    """The command line."""
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


def draw(folder: Path, count: int, size: int, file: int) -> Subset:
    """Write smooth grey images with some noise: a PNG file of each, and all in pixels.npy."""
    random = np.random.default_rng(0)
    pixels = np.empty((count, size, size), np.uint8)
    labels = np.arange(count) % len(CLASSES)
    for row in range(count):
        coarse = random.uniform(20, 235, (8, 8)).astype(np.float32)
        smooth = cv2.resize(coarse, (file, file), interpolation=cv2.INTER_CUBIC)
        image = (smooth + random.normal(0, 3, (file, file))).clip(0, 255).astype(np.uint8)
        pixels[row] = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        place = folder / "png" / CLASSES[labels[row]] / f"{row:05}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place), image)
    np.save(folder / "pixels.npy", pixels)
    return Subset(np.arange(count), labels)


def timm_loader(folder: Path, settings: Train, size: int) -> Batches:
    """timm's loader of grey images; it has no rotation and crops where this project shifts."""
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
        num_workers=settings.workers,
        persistent_workers=False,
        device=torch.device("cpu"),
    )


def image_folder(folder: Path, settings: Train, size: int) -> Batches:
    """What most notebooks do: RGB, torchvision's transforms."""
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
        num_workers=settings.workers,
    )


def build(params: Params, name: str, size: int) -> tuple[Classifier, str]:
    """Return an untrained classifier on its device, and the precision that the stage would use."""
    architecture = params.architectures[name]
    info = ModelInfo(name, architecture.timm, CLASSES, size, 0.5, 0.25)
    classifier = Classifier.build(info, architecture.drop_rate)
    precision = choose_precision(
        params.train.precision, params.cpu.portable, classifier.network, default_device()
    )
    classifier.network.to(default_device()).to(memory_format=torch.channels_last)
    return classifier, precision


def stage(
    params: Params, name: str, settings: Train, training: XrayDataset, validation: XrayDataset
) -> list[float]:
    """The train stage, second epoch: in the first, workers start and kernels are chosen."""
    classifier, precision = build(params, name, size_of(training))
    history = History(settings.epochs, settings.monitor)
    lr = params.architectures[name].lr
    module = Timed(
        classifier.network, classifier.info, settings, lr, torch.ones(len(CLASSES)), history
    )
    pin = default_device().type == "cuda"
    batches, held_out = (build_loader(images, settings, pin) for images in (training, validation))
    with redirect_stdout(None):
        fit(module, batches, held_out, precision, training.path.with_name("state.ckpt"))
    training.path.with_name("state.ckpt").unlink()
    return [settings.batch_size / seconds for seconds in np.diff(module.ends)]


def ceiling(params: Params, name: str, settings: Train, training: XrayDataset) -> list[float]:
    """The same step on one batch that is on the device already."""
    classifier, precision = build(params, name, size_of(training))
    keys = [(0, position, 0) for position in range(settings.batch_size)]
    images, labels = (part.to(default_device()) for part in training.__getitems__(keys))
    batch = (classifier.info.normalize(images), labels)
    steps = len(training.subset) // settings.batch_size
    return stepped(classifier.network, precision, settings, (batch for _ in range(steps + 2)))


def fed(
    params: Params, name: str, settings: Train, training: XrayDataset, make: Callable[[], Batches]
) -> list[float]:
    """The same step, fed by another loader."""
    classifier, precision = build(params, name, size_of(training))
    batches = ((images[:, :1], labels) for images, labels in repeated(make()))
    steps = len(training.subset) // settings.batch_size
    return stepped(classifier.network, precision, settings, islice(batches, steps + 2))


def repeated(batches: Batches) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch after the other."""
    while True:
        yield from batches


def stepped(model: nn.Module, precision: str, settings: Train, batches: Batches) -> list[float]:
    """Images/s of each training step, the first two (starting, choosing kernels) apart."""
    device = default_device()
    optimizer = build_optimizer(model.train(), settings, lr=1e-4)
    ends = []
    for images, labels in batches:
        images = images.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = model(images)
        loss = nn.functional.cross_entropy(logits.float(), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        synchronise(device)
        ends.append(time.perf_counter())
    return [settings.batch_size / seconds for seconds in np.diff(ends[1:])]


def drained(make: Callable[[], Batches]) -> list[float]:
    """Images/s of a loader alone, the workers' start apart."""
    stream = iter(make())
    next(stream)
    started = time.perf_counter()
    seen = sum(len(labels) for _, labels in stream)
    return [seen / (time.perf_counter() - started)]


def size_of(images: XrayDataset) -> int:
    """Pixels along each side."""
    return int(np.load(images.path, mmap_mode="r").shape[1])


def synchronise(device: torch.device) -> None:
    """Wait for the GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def report(title: str, variants: Mapping[str, Callable[[], list[float]]], repeats: int) -> None:
    """Let the variants take turns; print the median of each, and its share of the first's."""
    speeds: dict[str, list[float]] = {what: [] for what in variants}
    for _ in range(repeats):
        for what, measure in variants.items():
            speeds[what] += measure()
    medians = {what: statistics.median(speeds[what]) for what in variants}
    print(f"\n{title}")
    for what, speed in medians.items():
        print(f"  {what:<15}{speed:9.1f}{speed / next(iter(medians.values())):9.2f}", flush=True)


if __name__ == "__main__":
    main()
