"""The headline of metrics/test.json, for people to read."""

import json
from typing import Any

from cxr.pipeline import cli


def main() -> None:
    """Print each headline metric with its interval."""
    files = cli.paths("Print the headline metrics.", "metrics")
    print(table(json.loads(files.metrics.read_text(encoding="utf-8"))))


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


if __name__ == "__main__":
    cli.run(main)
