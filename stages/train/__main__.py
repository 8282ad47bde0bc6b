"""Train a network; write the model of one epoch, learning curves and augmented images."""

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
from stages.train.checkpoint import checkpoint_path
from stages.train.data import build_loader
from stages.train.history import History, write_curves
from stages.train.module import TrainingModule
from stages.train.setup import build_setup
from stages.train.trainer import choose_precision, fit, silence_other_ranks, synchronize_batchnorm


def main() -> None:
    """Read the command line, train, write the model folder and the plots."""
    paths = cli.paths(
        __doc__, "params", "pixels", "split", "model", "curves", "augmented", "checkpoints"
    )
    rank = silence_other_ranks()
    params = load(paths.params)
    architecture = params.architectures[params.model]
    settings = params.training()
    reserve_gpus(settings.devices, params.gpu.when_busy)
    setup = build_setup(params, paths.pixels, paths.split)
    classifier, training, validation = setup.classifier, setup.training, setup.validation

    device = default_device()
    precision = choose_precision(
        settings.precision, params.cpu.portable, classifier.network, device
    )
    print(
        f"{params.model} (timm {architecture.timm}), recipe {settings.recipe}, "
        f"on {device.type} in {precision}: "
        f"{len(training.subset)} training and {len(validation.subset)} validation images "
        f"of {len(classifier.info.classes)} classes, {classifier.info.size} px",
        flush=True,
    )
    if params.cpu.portable and device.type != "cpu":
        print("cpu.portable in params.yaml has no effect on a GPU", flush=True)
    checkpoint = checkpoint_path(
        paths.checkpoints,
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
    history = History(settings.epochs, settings.monitor)
    module = TrainingModule(
        synchronize_batchnorm(classifier.network, settings, device),
        classifier.info,
        settings,
        setup.class_weights,
        history,
    )
    train_loader, val_loader = (
        build_loader(dataset, settings, device) for dataset in (training, validation)
    )
    fit(module, train_loader, val_loader, precision, checkpoint)
    if rank:
        return

    write_curves(paths.curves, history)
    with atomic_write(paths.augmented) as folder:
        write_examples(folder, training, classifier.info.classes)
    classifier.network.load_state_dict(module.kept_state)
    pixels = np.load(paths.pixels, mmap_mode="r")
    logits = classifier.logits(pixels, validation.subset.rows)
    info = replace(classifier.info, precision=precision)
    classifier.info = calibrate(info, logits, validation.subset.targets)
    with atomic_write(paths.model) as folder:
        classifier.save(folder)
        OodDetector.fit(pixels, training.subset.rows, validation.subset.rows).save(folder)
    checkpoint.unlink()
    print(f"{history.describe_kept()}; {history.speed()}")


if __name__ == "__main__":
    cli.run(main)
