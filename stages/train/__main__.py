"""Train the network: pixels and split in, the model of the best epoch and its curves out."""

import numpy as np
import torch

from stages import command, models, tables
from stages.files import whole
from stages.params import load
from stages.train import data, weights
from stages.train.augment import pipeline
from stages.train.fed import draw_augmented
from stages.train.loop import choose_precision, fit, one_voice, synchronised
from stages.train.loss import class_weights
from stages.train.module import Classifier
from stages.train.records import Records, draw_curves, write_curves
from stages.train.resume import state_file


def main() -> None:
    """Read the command line, train, write the model folder and the plots."""
    paths = command.paths(
        "Train the network.", "params", "pixels", "split", "model", "plots", "state"
    )
    first = one_voice() == 0
    params = load(paths.params)
    settings, architecture = params.train, params.architectures[params.model]
    training, validation, classes = data.sides(tables.read(paths.split, tables.Split))
    pixels = np.load(paths.pixels, mmap_mode="r")
    mean, std = data.mean_and_std(pixels, training.rows)

    torch.manual_seed(settings.seed)
    size = pixels.shape[1]
    model = models.build(architecture.timm, len(classes), architecture.drop_rate, size)
    card = models.Card(params.model, architecture.timm, classes, size, mean, std)
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
    records = Records(settings.epochs, settings.monitor)
    classifier = Classifier(
        synchronised(model, settings, device).to(memory_format=torch.channels_last),
        card,
        settings,
        architecture.lr,
        class_weights(training.labels, len(classes), settings.imbalance),
        records,
    )
    state = state_file(
        paths.state,
        params.model,
        [paths.pixels, paths.split],
        {
            "train": settings.model_dump(exclude={"workers"}),
            "architecture": architecture.model_dump(),
            "weights": card.weights,
            "device": device.type,
            "precision": precision,
        },
    )
    fit(classifier, batches, held_out_batches, precision, state)
    if not first:
        return

    best_epoch, best_score = records.best()
    with whole(paths.plots) as plots:
        write_curves(plots, records.history)
        draw_curves(plots / "learning_curves.png", records.history, best_epoch)
        draw_augmented(plots / "augmented.png", fed, classes)
    model.load_state_dict(classifier.best_state)
    with whole(paths.model) as folder:
        models.save(model, card, folder)
    state.unlink()
    print(
        f"best epoch {best_epoch} of {len(records.history)} by validation "
        f"{settings.monitor} ({best_score:.4f}); {records.speed()}"
    )


if __name__ == "__main__":
    command.run(main)
