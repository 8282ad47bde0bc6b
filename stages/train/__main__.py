"""Train the network: pixels and split in, the model of the best epoch and its curves out."""

import numpy as np
import torch

from stages import command, models, tables
from stages.calibration import calibrated
from stages.files import whole
from stages.params import load
from stages.train import data, weights
from stages.train.augment import pipeline
from stages.train.fed import draw_augmented
from stages.train.loop import choose_precision, fit
from stages.train.module import Classifier, class_weights
from stages.train.records import Records, draw_curves


def main() -> None:
    """Read the command line, train, write the model folder and the plots."""
    paths = command.paths("Train the network.", "params", "pixels", "split", "model", "plots")
    params = load(paths.params)
    settings, architecture = params.train, params.architectures[params.model]
    training, validation, classes = data.sides(tables.read(paths.split, tables.Split))
    pixels = np.load(paths.pixels, mmap_mode="r")
    mean, std = data.mean_and_std(pixels, training.rows)

    torch.manual_seed(settings.seed)
    model = models.build(architecture.timm, len(classes), architecture.drop_rate)
    card = models.Card(params.model, architecture.timm, classes, pixels.shape[1], mean, std)
    card = weights.start(model, card, settings.weights)

    device = models.device()
    precision = choose_precision(settings.precision, model, device)
    fed = data.Images(paths.pixels, training, settings.seed, pipeline(settings.augment))
    held_out = data.Images(paths.pixels, validation, settings.seed, None)
    batches, held_out_batches = (
        data.loader(images, settings, pin_memory=device.type == "cuda")
        for images in (fed, held_out)
    )
    print(
        f"{params.model} (timm {architecture.timm}) on {device.type} in {precision}: "
        f"{len(training)} training and {len(validation)} validation images "
        f"of {len(classes)} classes, {card.size} px",
        flush=True,
    )
    with whole(paths.plots) as plots:
        records = Records(plots, settings.epochs)
        classifier = Classifier(
            model.to(memory_format=torch.channels_last),
            card,
            settings,
            architecture.lr,
            class_weights(training.labels, len(classes), settings.imbalance),
            records,
        )
        fit(classifier, batches, held_out_batches, precision)
        draw_curves(plots / "learning_curves.png", records.history, classifier.best_epoch)
        draw_augmented(plots / "augmented.png", fed, classes)
    model.load_state_dict(classifier.best_state)
    card = calibrated(card, models.logits(model, card, pixels, validation.rows), validation.labels)
    with whole(paths.model) as folder:
        models.save(model, card, folder)
    print(
        f"best epoch {classifier.best_epoch} of {settings.epochs} by validation "
        f"{settings.monitor} ({classifier.best_score:.4f}); {records.speed()}"
    )


if __name__ == "__main__":
    command.run(main)
