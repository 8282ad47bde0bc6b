"""Assign patients and duplicate groups to train, val and test; stop at any leak."""

from cxr.pipeline.environment import configure

configure()

import numpy as np
import pandas as pd

from cxr.datasets.labels import classes
from cxr.pipeline import cli, tables
from cxr.pipeline.files import atomic_write, write_json
from cxr.pipeline.flow import print_flow
from cxr.pipeline.params import load
from stages.split import flow, gate
from stages.split.assign import assign, split_groups
from stages.split.patients import name_patients, report_set_aside, report_unknown


def main() -> None:
    files = cli.paths(
        __doc__,
        *("params", "images", "pairs", "duplicates", "pixels"),
        *("split", "metrics", "details", "plots"),
    )
    params = load(files.params)
    images = tables.read(files.images, tables.Images)
    images["target"] = classes(images, params)
    pairs = tables.read(files.pairs, tables.Pairs)
    duplicates = tables.read(files.duplicates, tables.Duplicates)
    images["patient"] = name_patients(images, params.split.patient_pattern)

    usable = with_groups(images, duplicates, pairs)
    gate.warn_of_large_patients(usable)
    usable["split"] = assign(usable, params.split)
    kept = usable[usable["keep"]].reset_index(drop=True)

    everything = images.merge(
        duplicates[["image", "reason"]].rename(columns={"reason": "reason_duplicate"}), "left"
    ).merge(kept[["image", "split"]], "left")
    status = flow.image_status(everything)
    gate.check_classes(flow.count(status, images["target"]), params.split.test_sources)
    leaks = gate.check_leaks(gate.find_leaks(kept, pairs))

    columns = list(tables.Split.to_schema().columns)
    tables.write(files.split, kept[columns], tables.Split)
    used = kept[kept["split"] != ""]
    without_patient = int((used["patient"] == "").sum())
    details = {
        **flow.summary(images, status),
        "without_patient": without_patient,
        "leaks": leaks,
        "shares": flow.shares(kept, params.split.folds),
        "without_dedupe": flow.without_dedupe(usable, params.split),
    }
    write_json(files.details, details)
    write_json(files.metrics, flow.headline(details["flow"], leaks, without_patient))

    # Imported here because it takes longer than most runs of this stage.
    from stages.split.plots import draw_classes, draw_samples

    pixels = np.load(files.pixels, mmap_mode="r")
    with atomic_write(files.plots) as plots:
        plots.mkdir()
        draw_classes(plots / "classes.png", kept)
        draw_samples(plots / "samples.png", kept, pixels)
    report_unknown(used)
    report_set_aside(kept, params.split)
    print(flow.count(status, images["target"].replace("", "unlabelled")).T.to_string())
    left_out = status.mask(status.isin(tables.SPLITS), "").replace("_", " ", regex=True)
    print_flow(images["image"], left_out)


def with_groups(
    images: pd.DataFrame, duplicates: pd.DataFrame, pairs: pd.DataFrame
) -> pd.DataFrame:
    """Usable images with `keep` (false without a class), `duplicate_group` and `split_group`.

    Groups are formed before duplicates are dropped: a dropped copy still links its patient to
    the patient of the image that was kept.
    """
    usable = images.merge(duplicates[["image", "duplicate_group", "keep"]])
    keep = usable["keep"] & (usable["target"] != "")
    return usable.assign(keep=keep, split_group=split_groups(usable, pairs))


if __name__ == "__main__":
    cli.run(main)
