"""`cxr summary`: print the headline scores of metrics/test.json."""

import json
from pathlib import Path
from typing import Any

from cxr.pipeline.errors import UserError
from cxr.plotting.display_names import display_name


def summary(path: Path) -> None:
    """Print each headline score with its interval.

    Raises:
        UserError: if the file is missing.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: `dvc repro` writes it.") from error
    print(summary_lines(json.loads(text)))


def summary_lines(metrics: dict[str, Any]) -> str:
    """One line for each score that has an interval."""
    lines = [f"{metrics['images']} test images of {metrics['groups']} patients or groups"]
    for name, interval in metrics["interval"].items():
        value, low, high = metrics[name], interval["low"], interval["high"]
        text = "undefined" if value is None else f"{value:.3f}"
        if low is not None:
            text += f"  ({low:.3f} to {high:.3f})"
        lines.append(f"{display_name(name):28}{text}")
    return "\n".join(lines)
