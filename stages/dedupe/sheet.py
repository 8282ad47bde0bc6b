"""A contact sheet of duplicate groups, for a person to judge."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.plotting.figures import contact_sheet, short_name

GROUPS = 12
MEMBERS = 4


def draw_groups(
    path: Path, duplicates: pd.DataFrame, images: pd.DataFrame, pixels: NDArray[np.uint8]
) -> None:
    """Draw the groups that a person would want to look at, one on a line.

    Conflicting groups first, then the most distant, then the largest.

    Args:
        duplicates, images: row for row the same images; `images.row` counts into `pixels`.
        pixels: uint8 (N, S, S).
    """
    groups = duplicates.groupby("duplicate_group").agg(
        conflict=("reason", lambda reasons: (reasons == "conflict").any()),
        distance=("distance", "max"),
        size=("image", "size"),
    )
    groups = groups[groups["size"] > 1].sort_values(
        ["conflict", "distance", "size"], ascending=False, kind="stable"
    )
    cells: list[NDArray[np.uint8]] = []
    captions: list[str] = []
    blank = np.full(pixels.shape[1:], 255, np.uint8)
    columns = min(MEMBERS, groups["size"][:GROUPS].max()) if len(groups) else 1
    for group in groups.index[:GROUPS]:
        members = duplicates[duplicates["duplicate_group"] == group].sort_values("distance")[
            :columns
        ]
        for position in members.index:
            cells.append(pixels[images.loc[position, "row"]])
            captions.append(caption(duplicates.loc[position], images.loc[position, "target"]))
        cells += [blank] * (columns - len(members))
        captions += [""] * (columns - len(members))
    title = f"{len(groups)} duplicate groups, {min(GROUPS, len(groups))} shown, one a line"
    contact_sheet(path, cells or [blank], captions or [""], columns, title)


def caption(member: pd.Series, label: str) -> str:
    """Three short lines: the file, its class, what became of it."""
    bits = f", {member['distance']} bits" if member["distance"] >= 0 else ""
    return f"{short_name(member['image'])}\n{label or 'unlabelled'}\n{member['reason']}{bits}"
