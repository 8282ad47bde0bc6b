"""Train the network: pixels and split in, the model of the best epoch and its curves out."""

from cxr.pipeline.environment import configure

configure()

from dataclasses import replace

import numpy as np

from cxr.models import gpus, ood
from cxr.models import model as models
from cxr.models.calibration import calibrated
from cxr.pipeline import cli
from cxr.pipeline.files import whole
from cxr.pipeline.params import load
from stages.train.augmentation_examples import write_examples
from stages.train.data import loader
from stages.train.loop import choose_precision, fit, one_voice, synchronised
from stages.train.module import Classifier
from stages.train.records import Records, write_curves
from stages.train.resume import state_file
from stages.train.setup import begin


def main() -> None:
    """Read the command line, train, write the model folder and the plots."""
    paths = cli.paths(__doc__, "params", "pixels", "split", "model", "plots", "state")
    first = one_voice() == 0
    params = load(paths.params)
    settings, architecture = params.train, params.architectures[params.model]
    gpus.reserve(settings.devices, params.gpu.when_busy)
    start = begin(params, paths.pixels, paths.split)
    model, card = start.model, start.card

    device = models.device()
    precision = choose_precision(settings.precision, model, device)
    print(
        f"{params.model} (timm {architecture.timm}) on {device.type} in {precision}: "
        f"{len(start.training.side)} training and {len(start.validation.side)} validation images "
        f"of {len(card.classes)} classes, {card.size} px",
        flush=True,
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
    records = Records(settings.epochs, settings.monitor)
    classifier = Classifier(
        synchronised(model, settings, device),
        card,
        settings,
        architecture.lr,
        start.class_weights,
        records,
    )
    training, validation = (
        loader(images, settings, pin_memory=device.type == "cuda")
        for images in (start.training, start.validation)
    )
    fit(classifier, training, validation, precision, state)
    if not first:
        return

    best_epoch, best_score = records.best()
    with whole(paths.plots) as plots:
        write_curves(plots, records)
        write_examples(plots / "augmented", start.training, card.classes)
    model.load_state_dict(classifier.best_state)
    side, pixels = start.validation.side, np.load(paths.pixels, mmap_mode="r")
    card = replace(card, precision=precision)
    card = calibrated(card, models.logits(model, card, pixels, side.rows), side.labels)
    with whole(paths.model) as folder:
        models.save(model, card, folder)
        ood.save(ood.learn(pixels, start.training.side.rows, side.rows), folder)
    state.unlink()
    print(
        f"best epoch {best_epoch} of {len(records.history)} by validation "
        f"{settings.monitor} ({best_score:.4f}); {records.speed()}"
    )


if __name__ == "__main__":
    cli.run(main)
