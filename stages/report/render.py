"""Render the templates beside this file, with every value escaped."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cxr.plotting.display_names import PROBE_NAMES
from stages.report.checklists import CHECKLISTS, count_by_status
from stages.report.dataset import NOT_USED
from stages.report.findings import FEW, PROBES
from stages.report.formatting import FILTERS


def environment(*folders: Path) -> Environment:
    """The templates of some folders and of the report, with the report's filters."""
    loaded = Environment(
        loader=FileSystemLoader([*folders, Path(__file__).parent / "templates"]),
        # Names of classes, sources and files come from outside.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    loaded.filters |= FILTERS
    return loaded


def render(**content: Any) -> str:
    """Return the report as HTML.

    Args:
        content: the variables of the templates.
    """
    templates = environment()
    templates.globals |= {
        "CHECKLISTS": CHECKLISTS,
        "FEW": FEW,
        "NOT_USED": NOT_USED,
        "PROBES": PROBES,
        "PROBE_NAMES": PROBE_NAMES,
        "count_by_status": count_by_status,
    }
    return templates.get_template("report.html").render(**content)
