"""Contact sheets of duplicate groups and of pairs that are alike, for a person to judge."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.images.resize import fit
from cxr.images.thumbnail import DETAIL
from cxr.pipeline.params import Prepare
from cxr.plotting.figures import contact_sheet, short_name
from stages.dedupe.grouping import LARGE_GROUP
from stages.dedupe.verification import decoded

LINES = 12
MEMBERS = 4


class Sheet:
    """Lines of pictures with captions, decoded from their files."""

    def __init__(self, raw: Path, settings: Prepare, columns: int) -> None:
        self.raw = raw
        self.settings = settings
        self.columns = columns
        self.cells: list[NDArray[np.uint8]] = []
        self.captions: list[str] = []

    def add_line(self, captions: dict[str, str]) -> None:
        """Add one line: the captions of some images by name."""
        for image in captions:
            grey = decoded(self.raw / image, self.settings)
            self.cells.append(fit(grey, DETAIL, "pad"))
        missing = self.columns - len(captions)
        self.cells += [np.full((DETAIL, DETAIL), 255, np.uint8)] * missing
        self.captions += [*captions.values(), *[""] * missing]

    def draw(self, path: Path, title: str) -> None:
        """Draw all lines."""
        if not self.cells:
            self.add_line({})
        contact_sheet(path, self.cells, self.captions, self.columns, title)


def draw_groups(
    path: Path, duplicates: pd.DataFrame, target: pd.Series, raw: Path, settings: Prepare
) -> None:
    """Draw the groups that a person would want to look at, one on a line.

    Suspiciously large groups first, then those with conflicts, then those that agree least.

    Args:
        duplicates: table `Duplicates`.
        target: the class of the same images.
    """
    members = duplicates[duplicates["of"] != ""]
    groups = pd.DataFrame(
        {
            "size": duplicates["duplicate_group"].value_counts(),
            "conflict": members.groupby("duplicate_group")["reason"].agg(
                lambda r: "conflict" in set(r)
            ),
            "agreement": members.groupby("duplicate_group")["agreement"].min(),
        }
    )
    groups = groups[groups["size"] > 1].sort_index()
    groups["suspicious"] = groups["size"].where(groups["size"] > LARGE_GROUP, 0)
    groups = groups.sort_values(
        ["suspicious", "conflict", "agreement"], ascending=[False, False, True], kind="stable"
    )
    shown = groups.head(LINES)
    sheet = Sheet(raw, settings, min(MEMBERS, int(shown["size"].max())) if len(shown) else 1)
    for group in shown.index:
        chosen = duplicates[duplicates["duplicate_group"] == group].sort_values(
            ["of", "agreement"], kind="stable"
        )
        sheet.add_line(
            {
                row["image"]: caption(row, target[place])
                for place, row in chosen.head(sheet.columns).iterrows()
            }
        )
    title = f"{len(groups)} duplicate groups, {len(shown)} shown; each row is one group"
    sheet.draw(path, title if len(groups) else "No duplicates")


def caption(member: pd.Series, label: str) -> str:
    """Three short lines: the file, its class, what became of it."""
    agreement = f", agreement {member['agreement']:.2f}" if member["of"] else ""
    return f"{short_name(member['image'])}\n{label or 'unlabelled'}\n{member['reason']}{agreement}"


def draw_alike(path: Path, pairs: pd.DataFrame, raw: Path, settings: Prepare) -> None:
    """Draw the pairs that are nearly duplicates, one on a line, those that agree most first.

    Args:
        pairs: table `Pairs`.
    """
    alike = pairs[pairs["kind"] == "alike"]
    shown = alike.sort_values("agreement", ascending=False, kind="stable").head(LINES)
    sheet = Sheet(raw, settings, 2)
    for _, pair in shown.iterrows():
        names = (pair["first"], pair["second"])
        sheet.add_line(
            {name: f"{short_name(name)}\nagreement {pair['agreement']:.2f}" for name in names}
        )
    title = f"{len(alike)} pairs that are alike, {len(shown)} shown; each row is one pair"
    sheet.draw(path, title if len(alike) else "No pairs are alike")
