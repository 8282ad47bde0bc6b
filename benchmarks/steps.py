"""Time single training steps: of the train stage, and of a plain loop without it."""

import time
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from cxr.models.classifier import Classifier
from cxr.models.devices import default_device
from cxr.models.info import ModelInfo
from cxr.pipeline.params import Params, Training
from stages.train.cuda_graph import capture
from stages.train.data import XrayDataset, build_loader
from stages.train.history import History
from stages.train.module import TrainingModule
from stages.train.optimizer import build_optimizer
from stages.train.trainer import choose_precision, fit

CLASSES = ["a", "b"]
WARM_UP = 3
"""Steps of a plain loop that are not counted."""
Batches = Iterable[tuple[Tensor, Tensor]]
How = Literal["one by one", "graph", "compiled"]
"""How a GPU's kernels start: from Python one by one; as in the train stage, by CUDA graphs; or as
torch.compile has it, with kernels of its own."""


class StepClock:
    """Records when steps end: by the GPU's own clock if there is one, so that none waits for it."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.events: list[torch.cuda.Event] = []
        self.on_gpu = default_device().type == "cuda"
        self.mark()

    def mark(self) -> None:
        """Record that what was asked of the device so far is done by then."""
        if self.on_gpu:
            self.events.append(torch.cuda.Event(enable_timing=True))
            self.events[-1].record()
        else:
            self.times.append(time.perf_counter())

    def seconds(self) -> list[float]:
        """Wait for the device; return the time between each two marks."""
        if self.events:
            torch.cuda.synchronize()
            return [a.elapsed_time(b) / 1000 for a, b in pairwise(self.events)]
        return [b - a for a, b in pairwise(self.times)]


class TimedModule(TrainingModule):
    """A training module that records when each step ends, including the wait for its images."""

    clock: StepClock

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        self.clock = StepClock()

    def on_train_batch_end(self, *args: object) -> None:
        self.clock.mark()


def repeatable(on: bool) -> None:
    """Compute as the train stage does, with results that repeat, or as fast as possible."""
    torch.use_deterministic_algorithms(on)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = not on


def build(params: Params, name: str, size: int) -> tuple[Classifier, str]:
    """Return an untrained classifier on its device, and the precision that the stage would use."""
    architecture = params.architectures[name]
    info = ModelInfo(
        *(name, architecture.timm, CLASSES, size, 0.5, 0.25, params.training().head),
        pyramid_stride=architecture.pyramid_stride,
    )
    classifier = Classifier.build(info, architecture.drop_rate)
    precision = choose_precision(
        params.train.precision, params.cpu.portable, classifier.network, default_device()
    )
    classifier.network.to(default_device()).to(memory_format=torch.channels_last)
    return classifier, precision


def stage(
    params: Params, name: str, settings: Training, training: XrayDataset, validation: XrayDataset
) -> list[float]:
    """Measure the second epoch of the train stage (in the first, workers start)."""
    classifier, precision = build(params, name, size_of(training))
    history = History(settings.epochs, settings.monitor)
    module = TimedModule(
        classifier.network, classifier.info, settings, torch.ones(len(CLASSES)), history
    )
    train_loader, val_loader = (
        build_loader(dataset, settings, default_device()) for dataset in (training, validation)
    )
    checkpoint = training.path.with_name("state.ckpt")
    with redirect_stdout(None):
        fit(module, train_loader, val_loader, precision, checkpoint)
    checkpoint.unlink()
    return [settings.batch_size / seconds for seconds in module.clock.seconds()]


def ceiling(
    params: Params, name: str, settings: Training, training: XrayDataset, how: How
) -> list[float]:
    """Measure the same step on one batch that is on the device already, normalized."""
    classifier, precision = build(params, name, size_of(training))
    keys = [(0, position, 0) for position in range(settings.batch_size)]
    images, targets = (tensor.to(default_device()) for tensor in training.__getitems__(keys))
    batch = (classifier.info.normalize(images), targets)
    steps = len(training.subset) // settings.batch_size
    batches = (batch for _ in range(steps + WARM_UP))
    forward = None
    if how == "compiled":
        forward = torch.compile(classifier.network)
    elif how == "graph":
        forward = capture(classifier.network.train(), batch[0], precision == "bf16")
        assert forward, "the network could not be recorded"
    return time_steps(classifier.network, precision, settings, batches, forward)


def time_steps(
    model: nn.Module,
    precision: str,
    settings: Training,
    batches: Batches,
    forward: Callable[[Tensor], Tensor] | None = None,
) -> list[float]:
    """Measure images/s of each training step except the first, which warm up (and compile).

    Args:
        forward: computes the logits; by default, the network itself.
    """
    device = default_device()
    optimizer = build_optimizer(model.train(), settings)
    forward = model if forward is None else forward
    clock = StepClock()
    for images, targets in batches:
        images = images.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = forward(images)
        loss = nn.functional.cross_entropy(logits.float(), targets.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        clock.mark()
    return [settings.batch_size / seconds for seconds in clock.seconds()[WARM_UP:]]


def size_of(dataset: XrayDataset) -> int:
    """Return the side length of the images in pixels."""
    return int(np.load(dataset.path, mmap_mode="r").shape[1])


def synchronize(device: torch.device) -> None:
    """Wait for the GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize()
