"""What is kept of a training run: learning curves as tables, lines in the log."""

import resource
from pathlib import Path

import torch
from dvclive import Live

from cxr.pipeline.files import write_json


class Curves(Live):
    """DVCLive's writer of the curves that `dvc plots diff` overlays, without its side effects.

    Live looks for the repository's last commit, and makes the folder a DVC repository if it is
    none. That fails before the first commit, and the curves need neither.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), report=None, save_dvc_exp=False, dvcyaml=None)

    def _init_dvc(self) -> None:
        self._dvc_file = "dvc.yaml"


class Records:
    """Remembers a run epoch by epoch, and says how it goes.

    Args:
        epochs: how many there will be at most.
        monitor: the validation metric by which the best epoch is chosen.
    """

    def __init__(self, epochs: int, monitor: str) -> None:
        self.epochs = epochs
        self.monitor = monitor
        self.history: list[dict[str, float]] = []
        self.images = 0
        self.seconds = 0.0

    def epoch(self, values: dict[str, float], images: int, seconds: float) -> None:
        """Add an epoch.

        Args:
            values: `train/loss`, `val/loss`, `train/accuracy`, ...
            images: trained on, in so many seconds.
        """
        self.history.append(values)
        self.images += images
        self.seconds += seconds
        print(
            f"epoch {len(self.history)}/{self.epochs}: "
            f"train loss {values['train/loss']:.3f}, val loss {values['val/loss']:.3f}, "
            f"balanced accuracy {values['val/balanced_accuracy']:.3f}, "
            f"AUROC {values['val/auroc']:.3f}",
            flush=True,
        )

    def best(self) -> tuple[int, float]:
        """The best epoch so far, counted from 1 (the first of equals), and its score."""
        scores = [values[f"val/{self.monitor}"] for values in self.history]
        score = min(scores) if self.monitor == "loss" else max(scores)
        return scores.index(score) + 1, score

    def speed(self) -> str:
        """Images trained a second, and the most memory used so far."""
        memory = (
            torch.cuda.max_memory_allocated()
            if torch.cuda.is_available()
            else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        )
        speed = f"{self.images / self.seconds:.0f} images/s, " if self.seconds else ""
        return f"{speed}{memory / 2**30:.1f} GiB at most"


def write_curves(folder: Path, records: Records) -> None:
    """Write `folder`/plots/metrics/{train,val}/<metric>.tsv, a row for each epoch.

    Beside them, `folder`/kept.json says which epoch was the best, counted from 1.
    """
    write_json(folder / "kept.json", {"epoch": records.best()[0]})
    curves = Curves(folder)
    for values in records.history:
        for name, value in values.items():
            curves.log_metric(name, round(value, 6))
        curves.next_step()
