"""Small inputs of the report: numbers by the stages' own functions, noise as images."""

import json
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
from PIL import Image

from cxr.metrics.calibration_error import reliability_table
from cxr.metrics.operating_point import choose_operating_point
from cxr.models.classifier import Classifier
from cxr.models.info import ModelInfo
from cxr.pipeline import tables
from cxr.pipeline.files import write_json
from cxr.pipeline.params import Evaluate
from cxr.pipeline.tables import class_indices, write_csv
from stages.evaluate import audit, metrics, subgroups
from stages.gradcam import __main__ as gradcam
from stages.gradcam import summary
from stages.split import flow
from tests.helpers.closure import ROOT

PLOTS = {
    "duplicates_plots": ["groups"],
    "flow_plots": ["samples"],
    "evaluate_plots": [
        *("learning_curves", "augmented", "roc", "precision_recall", "reliability", "projection"),
        *("mistakes", "operating_point"),
    ],
    "gradcam_plots": [],
}
FILES = {
    "model": "model",
    "images": "images.csv",
    "split": "split.csv",
    **{name: f"{name}.json" for name in ("duplicates", "flow", "test", "audit", "gradcam")},
    "curves": "curves",
    **{name: name for name in PLOTS},
}
CLASSES = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
SETTINGS = Evaluate(
    seed=0, resamples=100, confidence=0.95, positive_class=["COVID"], target_sensitivity=0.95
)


def written(
    folder: Path, classes: tuple[str, ...] = CLASSES, masks: bool = True, images: int = 120
) -> Path:
    """Write all inputs of the report into a folder.

    The positive class is the first one, if its name is COVID.
    """
    random = np.random.default_rng(0)
    table = described(images, classes)
    split = table[list(tables.Split.to_schema().columns)]
    tables.write(folder / "split.csv", split, tables.Split)
    everything = with_losses(table[list(tables.Images.to_schema().columns)])
    tables.write(folder / "images.csv", everything, tables.Images)
    status = everything["image"].map(table.set_index("image")["split"]).fillna("unusable")
    leaks = dict.fromkeys(("patient", "split_group", "sha256", "near", "alike"), 0)
    write_json(
        folder / "flow.json",
        flow.summary(everything.assign(target=everything["label"]), status)
        | {
            "leaks": leaks,
            "without_patient": int((table["patient"] == "").sum()),
            "without_dedupe": {"test": 31, "with_duplicate_in_train": 5},
        },
    )
    counts = (
        "images",
        "kept",
        "exact",
        "near",
        "conflict",
        "pairs",
        "alike",
        "groups",
        "largest_group",
    )
    write_json(folder / "duplicates.json", dict.fromkeys(counts, 2))

    test = table[table["split"] == "test"]
    actual = class_indices(test["target"], list(classes))
    logits = random.normal(0, 1, (len(test), len(classes)))
    logits[np.arange(len(test)), actual] += 1.5
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    info = ModelInfo(
        *("simple_cnn", "simple_cnn", list(classes), 32, 0.4, 0.15),
        temperature=1.25,
        validation_probs={classes[0]: [0.2, 0.5, 0.7]},
    )
    Classifier.build(info).save(folder / "model")
    scores(folder, test, actual, probs, info)
    write_json(folder / "audit.json", audited(test, actual, probs, masks))
    write_json(folder / "gradcam.json", measured(classes, masks))

    pairs = {"actual": test["target"], "predicted": np.array(classes)[probs.argmax(1)]}
    write_csv(folder / "curves" / "confusion.csv", pd.DataFrame(pairs))
    bins = reliability_table(actual, probs)
    write_csv(folder / "curves" / "reliability" / "after.csv", bins)
    sheet = quote(classes[0], safe=" ,")
    for place, names in (PLOTS | {"gradcam_plots": [sheet]}).items():
        (folder / place).mkdir(exist_ok=True)
        for name in names:
            noise = random.integers(0, 256, (60, 90, 3), np.uint8)
            Image.fromarray(noise).save(folder / place / f"{name}.png")
    return folder


def described(images: int, classes: tuple[str, ...]) -> pd.DataFrame:
    """Images of all classes, two of each patient, with the columns of both tables."""
    number = np.arange(images)
    patient = number // 2
    return pd.DataFrame(
        {
            "image": [f"{one:03}.png" for one in number],
            "dataset": "phantom",
            "label": np.array(classes)[patient % len(classes)],
            "target": np.array(classes)[patient % len(classes)],
            "patient": [f"p{one}" for one in patient],
            "split_group": [f"p{one}" for one in patient],
            "source": np.where(patient % 3, "north", "south & <i>sons</i>"),
            "official_split": "",
            "view": "PA",
            "sex": np.where(patient % 2, "F", "M"),
            "age": [str(20 + one % 60) for one in patient],
            "mask": "",
            "lesion": "",
            "row": number,
            "status": "ok",
            "reason": "",
            "sha256": "",
            "phash": "",
            "width": 32,
            "height": 32,
            "mode": "L",
            "format": "PNG",
            "split": np.repeat(["train", "val", "test"], [images // 2, images // 4, images // 4]),
        }
    )


def with_losses(images: pd.DataFrame) -> pd.DataFrame:
    """The images and three that can't be used."""
    lost = images.head(3).assign(
        image=["x1", "x2", "x3"], row=-1, status="unusable", reason="damaged: <b>header</b>"
    )
    return pd.concat([images, lost], ignore_index=True)


def scores(
    folder: Path, test: pd.DataFrame, actual: np.ndarray, probs: np.ndarray, info: ModelInfo
) -> None:
    """Write test.json as evaluate does."""
    groups = test["split_group"].to_numpy()
    overall, by_class = metrics.overall_and_class_metrics(
        actual, probs, groups, info.classes, SETTINGS
    )
    point = choose_operating_point(
        SETTINGS.positive_class, SETTINGS.target_sensitivity, info.classes, info.validation_probs
    )
    parts = subgroups.subgroup_metrics(test, actual, probs, point, SETTINGS)
    content = {
        **overall,
        "images": len(actual),
        "groups": test["split_group"].nunique(),
        "calibration": metrics.calibration_metrics(actual, probs, info.temperature),
        "operating_point": metrics.operating_point_metrics(actual, probs, groups, point, SETTINGS),
        "macro": metrics.macro_metrics(actual, probs),
        "class": by_class,
        "subgroup": subgroups.subgroups_to_json(parts),
    }
    write_json(folder / "test.json", content)


def audited(
    test: pd.DataFrame, actual: np.ndarray, probs: np.ndarray, masks: bool
) -> dict[str, object]:
    """The border predicts the classes as well as the network; other probes are at chance."""
    task = audit.Task(test["row"].to_numpy(), actual, test["split_group"].to_numpy(), SETTINGS)
    nothing = task.subset(np.zeros(len(actual), bool))
    even = np.full_like(probs, 1 / probs.shape[1])
    found = {
        name: {"suspicious": name == "border", **audit.score_probe(task, seen, probs)}
        for name, seen in (("file", even), ("thumbnail", even), ("border", probs))
    }
    for name in ("lungs_blanked", "lungs_only"):
        part = audit.score_probe(task, even) if masks else audit.score_probe(nothing, even[:0])
        found[name] = {"suspicious": False, **part}
    return {"suspicious": 1, "network": audit.score_probe(task, probs), **found}


def measured(classes: tuple[str, ...], masks: bool) -> dict[str, object]:
    """The details of twelve heatmaps on each side; there are no novel images."""
    random = np.random.default_rng(0)
    sides = {}
    for side in tables.SPLITS:
        found = pd.DataFrame(random.random((12, len(summary.MEASURES))), columns=summary.MEASURES)
        found["split_group"] = [f"{side}{number // 2}" for number in range(12)]
        found["target"] = [classes[number % len(classes)] for number in range(12)]
        regions = [name for name in found if name.startswith(("lungs", "lesion"))]
        found[regions] *= 1.0 if masks else np.nan
        sides[side] = found.assign(empty=False, perturbed=True)
    facts = {"layer": "features", "feature_map": "4 x 4", "method": "GradCAM"}
    sides["novel"] = sides["test"].iloc[:0]
    novel = {"unusable": 0} | summary.summarize(sides["novel"], SETTINGS)
    return facts | gradcam.summarize_subsets(sides, list(classes), SETTINGS) | {"novel": novel}


def arguments(folder: Path, report_folder: Path, params: Path = ROOT / "params.yaml") -> list[str]:
    """The stage's command line."""
    files = {
        "params": params,
        **{name: folder / file for name, file in FILES.items()},
        "report": report_folder,
    }
    return [word for name, file in files.items() for word in (option(name), str(file))]


def option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def changed(path: Path, **values: object) -> None:
    """Change keys of a JSON file."""
    content = json.loads(path.read_text(encoding="utf-8")) | values
    path.write_text(json.dumps(content), encoding="utf-8")
