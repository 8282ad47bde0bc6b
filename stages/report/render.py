"""From what is known to HTML: the templates beside this file, with every text escaped."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.report.checklists import CHECKLISTS, counts
from stages.report.data import LOST
from stages.report.verdicts import FEW, PROBES
from stages.report.wording import FILTERS


def render(**content: Any) -> str:
    """The page.

    Args:
        content: what the templates name.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        # Names of classes, sources and files are other people's text.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    environment.globals |= {
        "CHECKLISTS": CHECKLISTS,
        "FEW": FEW,
        "LOST": LOST,
        "PROBES": PROBES,
        "counts": counts,
    }
    return environment.get_template("page.html").render(**content)
