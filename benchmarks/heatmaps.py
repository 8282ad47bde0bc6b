"""Which heatmaps point at the lesion: networks, heads, layers and methods.

    python -m benchmarks.heatmaps --heads pyramid pooled [--networks resnet18 mobilenetv2]
        [--strides 4 8 16 32] [--seeds 0 1 2] [--layers layer3]
        [--methods GradCAM HiResCAM occlusion] [--classes COVID Lung_Opacity]

Run it in a project after `dvc repro`, with a data set that has lesion or lung masks. It trains each
network with each head as the train stage would. A network is one of params.yaml, or any of timm
(resnetblur18 is resnet18 with anti-aliased downsampling). A stride is the image's size divided by
that of the last map: 4 or 8 for a pyramid (pyramid_stride in params.yaml), 8, 16 or 32 for a pooled
head (timm's output_stride, by dilated convolutions, which not every network can have; from random
weights only). Without --strides, it is the network's own. A layer is one of the backbone; without
--layers, the last map before the pooling is explained. The table has, for validation and test
images:

- balanced accuracy, and the CPU seconds of training;
- how often the maximum lies in the region, of the images that are classified right (for lesions), a
  column for each class and one for all (or for those of --classes, such as diseases that do not
  fill the lungs); the highest floor (docs/heatmaps.md), and the margin: how much higher the hits
  are than each floor, at least;
- the heat in the lungs of each class, as a multiple of their share of the area;
- the time of a heatmap in milliseconds.

A choice made by the rows of the test images has seen them: choose by those of validation.
`occlusion` is an independent check, which needs no gradients: how much the class's logit falls when
a window is replaced by the image's own dark (Zeiler and Fergus 2014).
"""

from cxr.pipeline.environment import configure

configure(["--params", "params.yaml"])

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import timm
import torch
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score
from timm.models import register_model

from cxr.commands.markdown import markdown_table
from cxr.heatmaps.explainer import METHODS, Explainer, Images, Maps, enlarge_to
from cxr.models.classifier import Classifier
from cxr.models.devices import default_device
from cxr.pipeline import tables
from cxr.pipeline.params import Evaluate, Params, load
from stages.gradcam.agreement import random_classifiers
from stages.gradcam.measure import Measurer
from stages.gradcam.summary import judge
from stages.train.data import build_loader
from stages.train.history import History
from stages.train.module import TrainingModule
from stages.train.setup import build_setup
from stages.train.trainer import fit

DATA = Path("data")
STRIDES = {"pyramid": (4, 8), "pooled": (8, 16, 32)}
"""Those that a head can have."""
ALL_STRIDES = sorted(set().union(*STRIDES.values()))
WINDOW = 0.2
"""Side of the window that is occluded, as a fraction of the image's."""
DARK = 5
"""Percentile of an image's grey values that replaces it."""


def main() -> None:
    """Train each network, measure its heatmaps, print the table."""
    parser = argparse.ArgumentParser(description="Which heatmaps point at the lesion?")
    parser.add_argument("--networks", nargs="+", metavar="MODEL")
    parser.add_argument("--heads", nargs="+", default=["pyramid"], choices=list(STRIDES))
    parser.add_argument("--strides", nargs="+", type=int, default=[], choices=ALL_STRIDES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--layers", nargs="+", default=[""])
    parser.add_argument(
        "--methods", nargs="+", default=["GradCAM", "HiResCAM"], choices=[*METHODS, "occlusion"]
    )
    parser.add_argument("--classes", nargs="+", metavar="CLASS")
    options = parser.parse_args()
    params = load(Path("params.yaml"))
    networks = options.networks or [params.model]
    rows = []
    strides = {
        head: [stride for stride in options.strides if stride in STRIDES[head]] or [None]
        for head in options.heads
    }
    if options.strides and [None] in strides.values():
        parser.error(f"strides of the heads: {STRIDES}")
    runs = [
        (network, head, stride, seed, with_settings(params, network, head, stride, seed))
        for network, head, seed in itertools.product(networks, options.heads, options.seeds)
        for stride in strides[head]
    ]
    for network, head, stride, seed, changed in runs:
        start = time.process_time()
        classifier = train(changed)
        seconds = time.process_time() - start
        for layer, method in itertools.product(options.layers, options.methods):
            name = f"backbone.{layer}" if layer and head == "pyramid" else layer
            for subset in ("val", "test"):
                row = {"network": network, "head": head, "method": method, "images": subset}
                row |= {"stride": str(stride or ""), "seed": str(seed), "CPU s": f"{seconds:.0f}"}
                row |= measure(classifier, name, method, subset, changed.evaluate, options.classes)
                rows.append(row)
                print("\t".join(row.values()), flush=True)
    columns = dict.fromkeys(name for row in rows for name in row)
    print(markdown_table(list(columns), [[row.get(name, "") for name in columns] for row in rows]))


def with_settings(params: Params, network: str, head: str, stride: int | None, seed: int) -> Params:
    """Return the settings with another network, head, stride (None: its own) and seed."""
    content = params.model_dump()
    content["model"] = network
    content["recipes"][params.recipe]["head"] = head
    content["train"]["seed"] = seed
    architecture = content["architectures"].setdefault(network, {"timm": network, "drop_rate": 0})
    if stride is not None and head == "pyramid":
        architecture["pyramid_stride"] = stride
    elif stride is not None:
        architecture["timm"] = dilated(architecture["timm"], stride)
    return Params.model_validate(content)


def dilated(network: str, stride: int) -> str:
    """Register with timm a network whose last map has 1/stride of the image's size; its name.

    Raises:
        SystemExit: if the network cannot have it.
    """

    def build(**options: Any) -> Any:
        return timm.create_model(network, output_stride=stride, **options)

    name = build.__name__ = f"{network.replace('.', '_')}_stride{stride}"
    if not timm.is_model(name):
        try:
            cells = build().forward_features(torch.zeros(1, 3, 64, 64)).shape[-1]
        except TypeError:
            cells = None
        # Some networks refuse output_stride, others ignore it.
        if cells != 64 // stride:
            raise SystemExit(f"error: timm has no output_stride {stride} for {network}")
        register_model(build)
    return name


def train(params: Params) -> Classifier:
    """Train a network as the train stage does, without calibrating it."""
    settings = params.training()
    setup = build_setup(params, DATA / "pixels.npy", DATA / "split.csv")
    classifier = setup.classifier
    history = History(settings.epochs, settings.monitor)
    module = TrainingModule(
        classifier.network, classifier.info, settings, setup.class_weights, history
    )
    training, validation = (
        build_loader(images, settings, default_device())
        for images in (setup.training, setup.validation)
    )
    with tempfile.TemporaryDirectory() as folder:
        fit(module, training, validation, "fp32", Path(folder) / "checkpoint")
    classifier.network.load_state_dict(module.kept_state)
    return classifier


def measure(
    classifier: Classifier,
    layer: str,
    method: str,
    subset: str,
    settings: Evaluate,
    judged: list[str] | None,
) -> dict[str, str]:
    """Measure the heatmaps of the validation or test images; the cells of a row, by column.

    Args:
        judged: classes whose hits are judged together; None: all.
    """
    pixels, lungs, lesions = (
        np.load(DATA / f"{name}.npy", mmap_mode="r") for name in ("pixels", "masks", "lesions")
    )
    split = tables.read(DATA / "split.csv", tables.Split)
    images = split[split["split"] == subset].reset_index(drop=True)
    classes = np.array(classifier.info.classes)
    predicted = classes[classifier.logits(pixels, images["row"].to_numpy()).argmax(1)]
    images = images.assign(predicted=predicted, correct=predicted == images["target"])
    networks = (classifier, *random_classifiers(classifier.info, settings.seed))
    # Measurer.localization only calls them, so that a function may stand for an `Explainer`.
    explain: list[Any]
    if method == "occlusion":
        explain, cells = [occlusion(network) for network in networks], "pixels"
    else:
        explain = [Explainer(network, method, layer) for network in networks]
        cells = f"{explain[0].layer} ({explain[0].height} × {explain[0].width})"
    measurer = Measurer(classifier, explain[0], explain[1:], settings.seed)
    start = time.perf_counter()
    localized = measurer.localization(images, pixels, lungs, lesions)
    # The trained network explains every image twice, those with random weights once.
    milliseconds = 1000 * (time.perf_counter() - start) / (len(networks) + 1) / len(images)
    measured = pd.concat([images, localized], axis=1)
    excess = (measured["lungs_heat"] / measured["lungs_area"]).groupby(measured["target"]).mean()
    return {
        "layer (cells)": cells,
        "balanced accuracy": f"{balanced_accuracy_score(images['target'], predicted):.3f}",
        **hit_rates(measured, settings, judged),
        **by_class(excess, "heat in lungs, "),
        "ms": f"{milliseconds:.0f}",
    }


def hit_rates(
    measured: pd.DataFrame, settings: Evaluate, classes: list[str] | None
) -> dict[str, str]:
    """The cells of hit rates by class and together, highest floor, margin; none without masks."""
    together = measured if classes is None else measured[measured["target"].isin(classes)]
    judgement = judge(together, settings)
    region = judgement["region"]
    if region is None:
        return {}
    name = judgement["best_floor_name"].replace("_", " ")
    low, high = judgement["low"], judgement["high"]
    return {
        "region": region,
        **by_class(measured.groupby("target")[f"{region}_hit"].mean()),
        " and ".join(classes or ["all"]): f"{judgement['hit_rate']:.2f}",
        "highest floor": f"{judgement['best_floor']:.2f} ({name})",
        "margin": f"{judgement['margin']:+.2f} ({low:+.2f} to {high:+.2f})",
    }


def by_class(values: "pd.Series[float]", prefix: str = "") -> dict[str, str]:
    """A cell for each class; those without a number are left out."""
    return {f"{prefix}{name}": f"{value:.2f}" for name, value in values.dropna().items()}


def occlusion(classifier: Classifier) -> Callable[..., Maps]:
    """Return a function that explains images as an `Explainer` does, by occluding windows."""
    size = classifier.info.size
    side, stride = round(WINDOW * size), 8

    def explain(images: Images, classes: NDArray[np.int64]) -> Maps:
        index = np.arange(len(images)), classes
        before = classifier.logits(images)[index]
        dark = np.percentile(images, DARK, axis=(1, 2)).astype(np.uint8)[:, None, None]
        centres = range(0, size, stride)
        maps = np.zeros((len(images), len(centres), len(centres)), np.float32)
        for (i, row), (j, column) in itertools.product(enumerate(centres), repeat=2):
            window = np.s_[
                :,
                max(0, row - side // 2) : row + side // 2,
                max(0, column - side // 2) : column + side // 2,
            ]
            occluded = images.copy()
            occluded[window] = np.minimum(occluded[window], dark)
            maps[:, i, j] = before - classifier.logits(occluded)[index]
        return enlarge_to(size, maps.clip(min=0))

    return explain


if __name__ == "__main__":
    main()
