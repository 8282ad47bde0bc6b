"""What a training run begins from, as the settings describe it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cxr.models import model as models
from cxr.models.model import Card
from cxr.pipeline import tables
from cxr.pipeline.params import Params
from stages.train import weights
from stages.train.augment import pipeline
from stages.train.data import Images, mean_and_std, sides
from stages.train.loss import class_weights


@dataclass(frozen=True)
class Beginning:
    """A network with its first weights, and the images.

    Attributes:
        training: augmented.
        class_weights: float32 (classes,), for the loss.
    """

    model: nn.Module
    card: Card
    training: Images
    validation: Images
    class_weights: Tensor


def begin(params: Params, pixels_path: Path, split_path: Path) -> Beginning:
    """Build the network and take its images out of the split.

    Raises:
        UserError: if the images, the network or its weights won't do.
    """
    settings, architecture = params.train, params.architectures[params.model]
    training, validation, classes = sides(tables.read(split_path, tables.Split))
    pixels = np.load(pixels_path, mmap_mode="r")
    size = pixels.shape[1]
    mean, std = mean_and_std(pixels, training.rows)

    torch.manual_seed(settings.seed)
    model = models.build(architecture.timm, len(classes), architecture.drop_rate, size)
    prepare = params.prepare.model_dump(exclude={"side", "backend"})
    card = Card(params.model, architecture.timm, classes, size, mean, std, prepare=prepare)
    card = weights.start(model, card, settings.weights)
    return Beginning(
        model.to(memory_format=torch.channels_last),
        card,
        Images(pixels_path, training, settings.seed, pipeline(settings.augment)),
        Images(pixels_path, validation, settings.seed, None),
        class_weights(training.labels, len(classes), settings.imbalance),
    )
