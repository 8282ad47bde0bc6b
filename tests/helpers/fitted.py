"""A network trained briefly on the images of `builders`, for tests of the stages after train."""

from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from cxr.models.classifier import Classifier
from cxr.models.info import ModelInfo
from cxr.models.ood import OodDetector
from cxr.pipeline import tables


def fit(
    folder: Path,
    steps: int = 8,
    temperature: float = 1.0,
    batch: int | None = None,
    head: str = "pooled",
) -> Path:
    """Train the small network on `folder`/pixels.npy and split.csv; write `folder`/model."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    pixels = np.load(folder / "pixels.npy")
    split = tables.read(folder / "split.csv", tables.Split)
    classes = sorted(set(split["target"]))
    info = ModelInfo(
        *("simple_cnn", "simple_cnn", classes, pixels.shape[1], 0.4, 0.15, head),
        temperature=temperature,
        validation_probs={name: [0.3, 0.6] for name in classes},
        prepare={
            "resize_mode": "crop",
            "views": ["PA", "AP"],
            "min_side": 32,
            "max_megapixels": 100.0,
        },
    )
    classifier = Classifier.build(info)
    train = split[split["split"] == "train"]
    images = classifier.to_input(pixels[train["row"]])
    labels = torch.tensor([classes.index(label) for label in train["target"]])
    optimizer = torch.optim.Adam(classifier.network.parameters(), 0.002)
    for _ in range(steps):
        some = slice(None) if batch is None else torch.randperm(len(labels))[:batch]
        optimizer.zero_grad()
        cross_entropy(classifier.network(images[some]), labels[some]).backward()
        optimizer.step()
    classifier.save(folder / "model")
    training, held_out = (split["row"][split["split"] == side] for side in ("train", "val"))
    if len(held_out):
        detector = OodDetector.fit(pixels, training.to_numpy(), held_out.to_numpy())
        detector.save(folder / "model")
    return folder
