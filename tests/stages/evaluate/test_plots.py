"""What the legends of the curves say."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cxr.plotting.figures import figure
from stages.evaluate import plots


def test_areas_below_one_are_not_called_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    legends = []

    @contextmanager
    def observed(path: Path, **options: Any) -> Iterator[Any]:
        with figure(path, **options) as (canvas, axes):
            yield canvas, axes
            legends.append([text.get_text() for text in axes.get_legend().get_texts()])

    monkeypatch.setattr(plots, "figure", observed)
    # 398 of the 20 x 20 pairs of a well and an ill one are in the right order: 0.995.
    ill = np.array([*range(20), *range(19, 39)]) / 40
    ill[19], ill[20] = 0.51, 0.5
    probs = np.column_stack([1 - ill, ill])
    plots.draw_curves(tmp_path, np.repeat([0, 1], 20), probs, ["well", "ill"])
    precision_recall, roc = legends
    assert roc[:2] == ["well (AUC = 0.995)", "ill (AUC = 0.995)"]
    assert all(len(text.split("AP = ")[1]) == len("0.995)") for text in precision_recall)
