"""Compare this project's recipe with those of others: same images, weights and test images.

    python -m benchmarks.recipes --data /path/to/data --weights mobilenetv2.safetensors
        [--sets covid_chestxray tb4] [--image-size 128] [--epochs 20] [--fold 0] [--seeds 0 1 2]
        [--fastai-python /path/to/python]

The stages of the pipeline prepare each set, so that the split is leak-free. Then these train on its
training images, from the same ImageNet weights, and predict the same test images:

- ours: the train stage with `--recipe` (finetune), at its own number of epochs unless --epochs says
  otherwise.
- fastai: `vision_learner(...).fine_tune(epochs)` with its defaults, in a separate environment
  (`pip install fastai`), whose Python is given by --fastai-python.
- sgd: torchvision's references/classification: plain SGD with a cosine.

The others train for as many epochs as ours. The table has balanced accuracy and the difference from
ours, with intervals over patients or groups (and seeds) on the same resamples, and the time of a
run, which includes its start.
"""

from cxr.pipeline.environment import configure

configure()

import argparse
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from cxr.commands.markdown import format_estimate, markdown_table
from cxr.commands.paired import score_configurations
from cxr.commands.revisions import Run
from cxr.models.classifier import Classifier
from cxr.pipeline import tables
from cxr.pipeline.params import load
from cxr.pipeline.tables import class_indices

PROJECT = Path(__file__).resolve().parents[1]
SETS = {
    # Data set, and its place in --data.
    "covid_chestxray": ("covid_chestxray", ""),
    "covid19_image": ("covid19_image", ""),
    "tb4": ("folder", "tb4"),
}
SCORE = "balanced_accuracy"


def main() -> None:
    """Read the command line, train everything, print a row for each set and recipe."""
    options = parse_arguments()
    rows = []
    for name in options.sets:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            write_settings(folder, name, options)
            for stage in ("download", "prepare", "dedupe", "split"):
                run_stage(folder, stage)
            rows += compare(name, folder, options)
    header = ["set", "recipe", "balanced accuracy", "minus ours", "seconds", "CPU seconds"]
    print(markdown_table(header, rows))


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--weights", type=Path, required=True, help="timm's, as .safetensors")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--model", default="mobilenetv2")
    parser.add_argument("--recipe", default="finetune")
    parser.add_argument("--image-size", type=int, default=224, help="pixels")
    parser.add_argument("--epochs", type=int, help="of all (default: the recipe's)")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--folds", type=int, default=7)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--fastai-python", type=Path, help="of an environment with fastai")
    return parser.parse_args()


def write_settings(folder: Path, name: str, options: argparse.Namespace, seed: int = 0) -> None:
    """Write the project's params.yaml for a set and a seed of training."""
    content = YAML(typ="safe").load(PROJECT / "params.yaml")
    content["dataset"], inside = SETS[name]
    content["inbox"] = str((options.data / inside).resolve())
    content["model"], content["recipe"] = options.model, options.recipe
    content["prepare"]["image_size"] = options.image_size
    content["split"] |= {"folds": options.folds, "fold": options.fold}
    content["train"]["seed"] = seed
    recipe = content["recipes"][options.recipe]
    recipe["weights"] = str(options.weights.resolve())
    if options.epochs is not None:
        recipe["epochs"] = options.epochs
    YAML().dump(content, folder / "params.yaml")


def run_stage(folder: Path, name: str) -> tuple[float, float]:
    """Run the command of a stage of dvc.yaml in a folder; its seconds and CPU seconds."""
    stage = YAML(typ="safe").load(PROJECT / "dvc.yaml")["stages"][name]
    model = load(folder / "params.yaml").model
    words = shlex.split(stage["cmd"].replace("${model}", model))
    return run([sys.executable, *words[1:]], folder)


def run(words: list[str], folder: Path) -> tuple[float, float]:
    """Run a program in a folder; show its output if it fails.

    Returns:
        seconds, and CPU seconds of it and of the processes it started.
    """
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    result = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if result.returncode:
        sys.exit(f"{shlex.join(words)}\n{result.stdout}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, cpu


def compare(name: str, folder: Path, options: argparse.Namespace) -> list[list[str]]:
    """Train each recipe with each seed on one set; the rows of the table."""
    params = load(folder / "params.yaml")
    split = tables.read(folder / "data/split.csv", tables.Split)
    images = tables.read(folder / "data/images.csv", tables.Images)
    classes = sorted(split.loc[split["split"] == "train", "target"].unique())
    test = split[split["split"] == "test"].merge(images[["image", "sha256"]], on="image")
    recipes = ["ours", *(["fastai"] if options.fastai_python else []), "sgd"]
    peers = write_peers(folder, split, classes, options)
    epochs = str(params.training().epochs)
    runs: dict[str, list[Run]] = {recipe: [] for recipe in recipes}
    times: dict[str, list[tuple[float, float]]] = {recipe: [] for recipe in recipes}
    for seed in options.seeds:
        for recipe in recipes:
            if recipe == "ours":
                write_settings(folder, name, options, seed)
                times[recipe].append(run_stage(folder, "train"))
                classifier = Classifier.load(folder / "models" / params.model)
                pixels = np.load(folder / "data/pixels.npy", mmap_mode="r")
                probs = classifier.probs(pixels, test["row"].to_numpy())
            else:
                python = options.fastai_python if recipe == "fastai" else sys.executable
                script = str(PROJECT / "benchmarks/peers.py")
                words = [str(python), script, recipe, str(peers), "--epochs", epochs]
                times[recipe].append(run([*words, "--seed", str(seed)], folder))
                probs = np.load(peers / f"{recipe}.npy").astype(np.float64)
            runs[recipe].append(Run(f"{recipe} {seed}", {}, "", {}, classes, test, probs))
            print(f"{name}: {recipe}, seed {seed}: {times[recipe][-1][0]:.0f} s", flush=True)
    scores = score_configurations(list(runs.values()), params.evaluate)
    rows = []
    for recipe, found in zip(recipes, scores, strict=True):
        value = found.estimate(SCORE)
        difference = found.difference(scores[0], SCORE)
        assert difference is not None
        seconds, cpu = np.mean(times[recipe], axis=0)
        rows.append(
            [
                f"{name} ({len(test)} images)",
                recipe,
                format_estimate(value.value, value.low, value.high),
                ""
                if recipe == "ours"
                else format_estimate(difference.value, difference.low, difference.high, "+"),
                f"{seconds:.0f}",
                f"{cpu:.0f}",
            ]
        )
    return rows


def write_peers(
    folder: Path, split: pd.DataFrame, classes: list[str], options: argparse.Namespace
) -> Path:
    """Write what benchmarks/peers.py reads: the same images, labels and weights."""
    peers = folder / "peers"
    peers.mkdir()
    used = split[split["split"] != ""]
    table = used[["row", "split"]].assign(label=class_indices(used["target"], classes))
    table.to_csv(peers / "images.csv", index=False)
    shutil.copyfile(folder / "data/pixels.npy", peers / "pixels.npy")
    shutil.copyfile(options.weights, peers / "weights.safetensors")
    network = load(folder / "params.yaml").architectures[options.model].timm
    (peers / "network.txt").write_text(network)
    return peers


if __name__ == "__main__":
    main()
