"""Write the report: data, model, results and audit in one HTML file without external resources."""

from cxr.pipeline.environment import configure

configure()

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pandas as pd

from cxr.heatmaps.belief import believe
from cxr.models.info import MODEL_FILE, read_info
from cxr.pipeline import tables
from cxr.pipeline.cli import paths, run
from cxr.pipeline.errors import UserError
from cxr.pipeline.files import atomic_write, sha256
from cxr.pipeline.flow import percentage
from cxr.pipeline.params import load
from stages.report import dataset, findings
from stages.report.embed import EmbeddedImage, embed_heatmaps, embed_image
from stages.report.heatmap_findings import heatmap_sentences, heatmap_tables
from stages.report.render import render
from stages.report.settings import setting_rows

DETAILS = ("duplicates", "flow", "test", "audit", "gradcam")
PLOTS = {
    "evaluate_plots": (
        *("learning_curves", "roc", "precision_recall", "reliability", "projection"),
    ),
}
CONTACT_SHEETS = {
    "duplicates_plots": ("groups",),
    "flow_plots": ("samples",),
    "evaluate_plots": ("augmented", "mistakes"),
}


def main() -> None:
    """Read the command line and the outputs of the other stages, write the report."""
    files = paths(
        __doc__,
        *("params", "model", "images", "split", *DETAILS),
        *("duplicates_plots", "flow_plots", "curves", "evaluate_plots", "gradcam_plots"),
        "report",
    )
    params = load(files.params)
    details = {name: read_json(getattr(files, name)) for name in DETAILS}
    test, audit = details["test"], details["audit"]
    images = tables.read(files.images, tables.Images)
    split = tables.read(files.split, tables.Split)
    used = dataset.split_images(images, split)
    predictions = read_csv(files.curves / "confusion.csv", str)
    reliability = read_csv(files.curves / "reliability" / "after.csv", float)
    info = read_info(files.model)
    matrix = dataset.confusion_matrix(predictions, info.classes)
    chance = audit["network"]["chance"]
    audit_finding = findings.audit_finding(audit)

    html = render(
        **details,
        params=params,
        settings=setting_rows(params, info.architecture),
        info=info,
        weights=Path(info.weights).name,
        sha256=sha256(files.model / MODEL_FILE),
        parameters=info.parameters,
        statuses=dataset.status_columns(details["flow"]["flow"]),
        label_mapping=dataset.label_mapping(params),
        reasons=dataset.unusable_reasons(images),
        characteristics=dataset.characteristics(used),
        unknown_patients=percentage(used["patient"] == ""),
        units=dataset.independent_units(used),
        confusion_matrix=matrix,
        confusions=dataset.frequent_confusions(matrix, info.classes),
        images=embed_plots(files, test["operating_point"] is not None),
        heatmap_images=embed_heatmaps(files.gradcam_plots, info.classes),
        heatmap_verdict=believe(details["gradcam"]["test"]).overall,
        heatmap_sentences=heatmap_sentences(details["gradcam"]),
        heatmap_tables=heatmap_tables(details["gradcam"]),
        baselines=findings.baselines(test["class"], chance),
        calibration=findings.calibration_sentence(test, dataset.mean_confidence(reliability)),
        audit_finding=audit_finding,
        findings=[
            findings.performance_finding(
                test, chance, params.evaluate.confidence, dataset.independent_units(used)
            ),
            findings.weakest_class_finding(test["class"]),
            findings.operating_point_finding(test["operating_point"], test["class"]),
            audit_finding,
        ],
    )
    with atomic_write(files.report) as folder:
        folder.mkdir()
        (folder / "index.html").write_text(html, encoding="utf-8", newline="\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read the details that a stage wrote.

    Raises:
        UserError: if it is missing or not JSON.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: `dvc repro` writes it.") from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON: remove it and run `dvc repro`.") from error
    return content


def read_csv(path: Path, kind: type) -> pd.DataFrame:
    """Read the table of a plot; all of its columns have the same type.

    Raises:
        UserError: if it is missing.
    """
    try:
        return pd.read_csv(path, dtype=kind, keep_default_na=False)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: `dvc repro` writes it.") from error


def embed_plots(files: Namespace, operating_point: bool) -> dict[str, EmbeddedImage]:
    """The plots and contact sheets of all stages, by name.

    Args:
        operating_point: whether there is a plot of the operating point.
    """
    images = {
        name: embed_image(getattr(files, folder) / f"{name}.png", lossy)
        for lossy, selection in ((False, PLOTS), (True, CONTACT_SHEETS))
        for folder, names in selection.items()
        for name in names
    }
    if operating_point:
        images["operating_point"] = embed_image(files.evaluate_plots / "operating_point.png")
    return images


if __name__ == "__main__":
    run(main)
