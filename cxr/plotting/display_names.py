"""Names for people, the same in every report."""

SPOKEN = {
    "auroc": "AUROC",
    "mcc": "Matthews correlation",
    "ece": "calibration error (ECE)",
    "brier": "Brier score",
    "ppv": "positive predictive value",
    "npv": "negative predictive value",
    "f1": "F1",
    "macro_f1": "macro F1",
    "train": "training",
    "val": "validation",
    "sha256": "identical file",
    "near": "near duplicate",
}


def words(name: str) -> str:
    """A key of a metrics file as it is spoken: `balanced_accuracy` is balanced accuracy."""
    # The rest is the name of a class.
    if name.startswith("sensitivity_"):
        return f"sensitivity to {name.removeprefix('sensitivity_')}"
    return SPOKEN.get(name, name.replace("_", " "))
