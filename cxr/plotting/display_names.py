"""Names of metrics and probes as plots, tables and the report show them."""

DISPLAY_NAMES = {
    "auroc": "AUROC",
    "mcc": "Matthews correlation",
    "ece": "expected calibration error",
    "brier": "Brier score",
    "ppv": "PPV",
    "npv": "NPV",
    "f1": "F1",
    "macro_f1": "macro F1",
    "train": "training",
    "val": "validation",
    "sha256": "identical file",
    "near": "near duplicate",
    "alike": "alike image",
}

PROBE_NAMES = {
    "file": "file metadata",
    "thumbnail": "8 × 8 pixels",
    "border": "image border",
    "lungs_blanked": "lungs blanked",
    "lungs_only": "lungs only",
}
"""The probes of the shortcut audit, by the input from which they predict the class."""


def display_name(key: str) -> str:
    """The displayed name of a metrics key: "balanced accuracy" for `balanced_accuracy`."""
    # The rest of the key is the name of a class.
    if key.startswith("sensitivity_"):
        return f"sensitivity to {key.removeprefix('sensitivity_')} (most probable class)"
    return DISPLAY_NAMES.get(key, key.replace("_", " "))
