"""Network, images and class weights at the start of a training run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cxr.models.classifier import Classifier
from cxr.models.info import ModelInfo
from cxr.pipeline import tables
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import Params
from stages.train.augment import build_transform
from stages.train.data import XrayDataset, mean_and_std, train_and_val
from stages.train.loss import class_weights
from stages.train.weights import load_initial_weights


@dataclass(frozen=True)
class TrainingSetup:
    """A network with its initial weights, its datasets and its class weights.

    Attributes:
        training: with augmentation.
        class_weights: float32 (classes,), for the loss.
    """

    classifier: Classifier
    training: XrayDataset
    validation: XrayDataset
    class_weights: Tensor


def build_setup(params: Params, pixels_path: Path, split_path: Path) -> TrainingSetup:
    """Build everything that training needs from the settings, the pixel array and the split.

    Raises:
        UserError: if the split, the network or its weights cannot be used.
    """
    settings, architecture = params.training(), params.architectures[params.model]
    training, validation, classes = train_and_val(tables.read(split_path, tables.Split))
    pixels = np.load(pixels_path, mmap_mode="r")
    size = pixels.shape[1]
    mean, std = mean_and_std(pixels, training.rows)

    torch.manual_seed(settings.seed)
    prepare = params.prepare.model_dump(exclude={"image_size", "backend"})
    info = ModelInfo(
        *(params.model, architecture.timm, classes, size, mean, std, settings.head),
        prepare=prepare,
        pyramid_stride=architecture.pyramid_stride,
        mirrored=settings.augment.horizontal_flip > 0,
        test_time_flip=settings.test_time_flip,
    )
    classifier = Classifier.build(info, architecture.drop_rate)
    try:
        load_initial_weights(classifier, settings.weights)
    except UserError as error:
        raise UserError(f"params.yaml: recipes.{settings.recipe}.weights: {error}") from error
    classifier.network.to(memory_format=torch.channels_last)
    return TrainingSetup(
        classifier,
        XrayDataset(pixels_path, training, settings.seed, build_transform(settings.augment)),
        XrayDataset(pixels_path, validation, settings.seed, None),
        class_weights(training.targets, len(classes), settings.imbalance),
    )
