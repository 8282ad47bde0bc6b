"""The history of a training run: metrics of each epoch, learning curves, log lines."""

import resource
from pathlib import Path

import torch
from dvclive import Live

from cxr.pipeline.files import write_json


class CurveWriter(Live):
    """DVCLive's writer of the curves for `dvc plots diff`, without its side effects.

    Live looks for the last commit of the repository and initializes DVC in the folder. Before the
    first commit that fails, and the curves need neither.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), report=None, save_dvc_exp=False, dvcyaml=None)

    def _init_dvc(self) -> None:
        self._dvc_file = "dvc.yaml"


class History:
    """Metrics of each epoch.

    Args:
        max_epochs: of the run.
        monitor: the validation metric that decides which epoch is best.
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

    def best(self) -> tuple[int, float]:
        """Return the best epoch so far, counted from 1 (the first of equals), and its score."""
        scores = [metrics[f"val/{self.monitor}"] for metrics in self.epochs]
        score = min(scores) if self.monitor == "loss" else max(scores)
        return scores.index(score) + 1, score

    def speed(self) -> str:
        """Describe training speed and peak memory."""
        memory = (
            torch.cuda.max_memory_allocated()
            if torch.cuda.is_available()
            else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        )
        speed = f"{self.images / self.seconds:.0f} images/s, " if self.seconds else ""
        return f"{speed}peak memory {memory / 2**30:.1f} GiB"


def write_curves(folder: Path, history: History) -> None:
    """Write the learning curves and the number of the best epoch.

    `folder`/plots/metrics/{train,val}/<metric>.tsv have a row for each epoch;
    `folder`/best_epoch.json has the epoch whose weights are saved, counted from 1.
    """
    write_json(folder / "best_epoch.json", {"epoch": history.best()[0]})
    writer = CurveWriter(folder)
    for metrics in history.epochs:
        for name, value in metrics.items():
            writer.log_metric(name, round(value, 6))
        writer.next_step()
