"""report: data, model, results and audit in one HTML file that needs nothing else to be read."""

from cxr.pipeline.environment import configure

configure()

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pandas as pd

from cxr.models.classifier import MODEL_FILE, Classifier
from cxr.pipeline import tables
from cxr.pipeline.cli import paths, run
from cxr.pipeline.errors import UserError
from cxr.pipeline.files import atomic_write, sha256
from cxr.pipeline.params import load
from stages.report import data, heat, settings, verdicts
from stages.report.pictures import Picture, embed, heatmaps
from stages.report.render import render

METRICS = ("duplicates", "flow", "test", "breakdown", "audit", "gradcam")
DRAWINGS = {
    "evaluate_plots": [
        *("learning_curves", "roc", "precision_recall", "reliability", "projection"),
    ],
}
SHEETS = {
    "duplicates_plots": ["groups"],
    "flow_plots": ["samples"],
    "evaluate_plots": ["augmented", "mistakes"],
}


def main() -> None:
    """The stage, from its files to its files."""
    files = paths(
        "Write one page that tells all that came out.",
        *("params", "model", "images", "split", *METRICS),
        *("duplicates_plots", "flow_plots", "evaluate_plots", "gradcam_plots"),
        "report",
    )
    params = load(files.params)
    metrics = {name: read_json(getattr(files, name)) for name in METRICS}
    test, breakdown, audit = metrics["test"], metrics["breakdown"], metrics["audit"]
    images = tables.read(files.images, tables.Images)
    kept = data.used(images, tables.read(files.split, tables.Split))
    confusion = read_csv(files.evaluate_plots / "confusion.csv", str)
    reliability = read_csv(files.evaluate_plots / "reliability" / "after.csv", float)
    classifier = Classifier.load(files.model)
    info = classifier.info
    matrix = data.confusion(confusion, info.classes)
    chance = audit["network"]["chance"]

    page = render(
        **metrics,
        params=params,
        settings=settings.lines(params, info.architecture),
        info=info,
        weights=Path(info.weights).name,
        digest=sha256(files.model / MODEL_FILE),
        parameters=sum(weight.numel() for weight in classifier.network.parameters()),
        fates=data.fates(metrics["flow"]["flow"]),
        labels=data.labels(params),
        reasons=data.reasons(images),
        characteristics=data.characteristics(kept),
        confusion=matrix,
        mixed_up=data.mixed_up(matrix, info.classes),
        pictures=pictures(files, test["operating_point"] is not None),
        heatmaps=heatmaps(files.gradcam_plots, info.classes),
        chance=chance,
        baselines=verdicts.baselines(breakdown["class"], chance),
        calibration=verdicts.calibration(test, data.sureness(reliability)),
        heat=heat.verdict(metrics["gradcam"]),
        heat_tables=heat.tables(metrics["gradcam"]),
        glance=[
            verdicts.performance(test, chance, params.evaluate.confidence),
            verdicts.weakest(breakdown["class"]),
            verdicts.operating_point(test["operating_point"], breakdown["class"]),
            verdicts.audit(audit),
        ],
    )
    with atomic_write(files.report) as folder:
        folder.mkdir()
        (folder / "index.html").write_text(page, encoding="utf-8", newline="\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a metrics file.

    Raises:
        UserError: if it is not there, or is no JSON.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: `dvc repro` writes it.") from error
    except ValueError as error:
        raise UserError(f"{path} is no JSON: remove it and run `dvc repro`.") from error
    return content


def read_csv(path: Path, kind: type) -> pd.DataFrame:
    """Read a table that belongs to a picture; every column is of one kind.

    Raises:
        UserError: if it is not there.
    """
    try:
        return pd.read_csv(path, dtype=kind, keep_default_na=False)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: `dvc repro` writes it.") from error


def pictures(files: Namespace, operating_point: bool) -> dict[str, Picture]:
    """The pictures of all stages, by name; that of the operating point only if there is one."""
    found = {
        name: embed(getattr(files, folder) / f"{name}.png", sheet)
        for sheet, chosen in ((False, DRAWINGS), (True, SHEETS))
        for folder, names in chosen.items()
        for name in names
    }
    if operating_point:
        found["operating_point"] = embed(files.evaluate_plots / "operating_point.png")
    return found


if __name__ == "__main__":
    run(main)
