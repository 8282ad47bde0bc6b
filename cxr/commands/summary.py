"""The headline of metrics/test.json, for people to read."""

import json
from pathlib import Path
from typing import Any

from cxr.pipeline.errors import UserError


def summary(path: Path) -> None:
    """Print each headline metric with its interval.

    Raises:
        UserError: if the file is not there.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: `dvc repro` writes it.") from error
    print(table(json.loads(text)))


def table(metrics: dict[str, Any]) -> str:
    """One line for each metric that has an interval: its value and the interval's ends."""
    lines = [f"{metrics['images']} test images of {metrics['groups']} patients or groups"]
    for name, interval in metrics["interval"].items():
        value, low, high = metrics[name], interval["low"], interval["high"]
        shown = "undefined" if value is None else f"{value:.3f}"
        if low is not None:
            shown += f"  ({low:.3f} to {high:.3f})"
        lines.append(f"{name.replace('_', ' '):20} {shown}")
    return "\n".join(lines)
