"""Train the network: pixels and split in, the model of the best epoch and its curves out."""

import sys

from cxr.pipeline.environment import configure

configure(sys.argv)

from dataclasses import replace

import numpy as np

from cxr.models.calibration import calibrate
from cxr.models.devices import default_device, reserve_gpus
from cxr.models.ood import OodDetector
from cxr.pipeline import cli
from cxr.pipeline.files import atomic_write
from cxr.pipeline.params import load
from stages.train.augmentation_examples import write_examples
from stages.train.data import loader
from stages.train.loop import choose_precision, fit, one_voice, synchronised
from stages.train.module import TrainingModule
from stages.train.records import Records, write_curves
from stages.train.resume import state_file
from stages.train.setup import build_setup


def main() -> None:
    """Read the command line, train, write the model folder and the plots."""
    paths = cli.paths(__doc__, "params", "pixels", "split", "model", "plots", "state")
    first = one_voice() == 0
    params = load(paths.params)
    settings, architecture = params.train, params.architectures[params.model]
    reserve_gpus(settings.devices, params.gpu.when_busy)
    setup = build_setup(params, paths.pixels, paths.split)
    classifier = setup.classifier

    device = default_device()
    precision = choose_precision(
        settings.precision, params.cpu.portable, classifier.network, device
    )
    print(
        f"{params.model} (timm {architecture.timm}) on {device.type} in {precision}: "
        f"{len(setup.training.side)} training and {len(setup.validation.side)} validation images "
        f"of {len(classifier.info.classes)} classes, {classifier.info.size} px",
        flush=True,
    )
    if params.cpu.portable and device.type != "cpu":
        print("cpu.portable in params.yaml has no effect on a GPU", flush=True)
    state = state_file(
        paths.state,
        params.model,
        [paths.pixels, paths.split],
        {
            "train": settings.model_dump(exclude={"workers"}),
            "architecture": architecture.model_dump(),
            "weights": classifier.info.weights,
            "device": device.type,
            "precision": precision,
            "cpu": params.cpu.model_dump(),
        },
    )
    records = Records(settings.epochs, settings.monitor)
    module = TrainingModule(
        synchronised(classifier.network, settings, device),
        classifier.info,
        settings,
        architecture.lr,
        setup.class_weights,
        records,
    )
    training, validation = (
        loader(images, settings, pin_memory=device.type == "cuda")
        for images in (setup.training, setup.validation)
    )
    fit(module, training, validation, precision, state)
    if not first:
        return

    best_epoch, best_score = records.best()
    with atomic_write(paths.plots) as plots:
        write_curves(plots, records)
        write_examples(plots / "augmented", setup.training, classifier.info.classes)
    classifier.network.load_state_dict(module.best_state)
    side, pixels = setup.validation.side, np.load(paths.pixels, mmap_mode="r")
    logits = classifier.logits(pixels, side.rows)
    info = replace(classifier.info, precision=precision)
    classifier.info = calibrate(info, logits, side.labels)
    with atomic_write(paths.model) as folder:
        classifier.save(folder)
        OodDetector.fit(pixels, setup.training.side.rows, side.rows).save(folder)
    state.unlink()
    print(
        f"best epoch {best_epoch} of {len(records.history)} by validation "
        f"{settings.monitor} ({best_score:.4f}); {records.speed()}"
    )


if __name__ == "__main__":
    cli.run(main)
