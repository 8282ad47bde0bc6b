"""The history of a training run: metrics of each epoch, learning curves, log lines."""

import resource
from pathlib import Path

import pandas as pd
import torch

from cxr.pipeline.tables import write_csv


class History:
    """Metrics of each epoch.

    Args:
        max_epochs: of the run.
        monitor: the validation metric that decides which epoch is kept, or `last`.
    """

    def __init__(self, max_epochs: int, monitor: str) -> None:
        self.max_epochs = max_epochs
        self.monitor = monitor
        self.epochs: list[dict[str, float]] = []
        self.images = 0
        self.seconds = 0.0

    def append(self, metrics: dict[str, float], images: int, seconds: float) -> None:
        """Add an epoch and print a line.

        Args:
            metrics: `train/loss`, `val/loss`, `train/accuracy`, ...
            images, seconds: how many images were trained on in which time.
        """
        self.epochs.append(metrics)
        self.images += images
        self.seconds += seconds
        print(
            f"epoch {len(self.epochs)}/{self.max_epochs}: "
            f"train loss {metrics['train/loss']:.3f}, val loss {metrics['val/loss']:.3f}, "
            f"balanced accuracy {metrics['val/balanced_accuracy']:.3f}, "
            f"AUROC {metrics['val/auroc']:.3f}",
            flush=True,
        )

    def kept(self) -> int:
        """The epoch that is kept so far, counted from 1: the first of the best, or the last."""
        if self.monitor == "last":
            return len(self.epochs)
        scores = [metrics[f"val/{self.monitor}"] for metrics in self.epochs]
        return scores.index(min(scores) if self.monitor == "loss" else max(scores)) + 1

    def describe_kept(self) -> str:
        """Say which epoch is kept, and why."""
        kept = self.kept()
        if self.monitor == "last":
            return f"kept the last epoch, {kept}"
        score = self.epochs[kept - 1][f"val/{self.monitor}"]
        return f"best epoch {kept} of {len(self.epochs)} by validation {self.monitor} ({score:.4f})"

    def speed(self) -> str:
        """Describe training speed and peak memory."""
        memory = (
            torch.cuda.max_memory_allocated()
            if torch.cuda.is_available()
            else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        )
        speed = f"{self.images / self.seconds:.0f} images/s, " if self.seconds else ""
        return f"{speed}peak memory {memory / 2**30:.1f} GiB"


def write_curves(path: Path, history: History) -> None:
    """Write the learning curves as a table with a row for each epoch.

    Columns: `epoch`, counted from 1; each metric as `train_<metric>` and `val_<metric>`; and
    `best`, 1 for the epoch whose weights are saved, else 0.
    """
    table = pd.DataFrame(history.epochs).rename(columns=lambda name: name.replace("/", "_"))
    epochs = pd.RangeIndex(1, len(table) + 1)
    table.insert(0, "epoch", epochs)
    write_csv(path, table.assign(best=(epochs == history.kept()).astype(int)))
