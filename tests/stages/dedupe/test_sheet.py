"""What stands above the pictures of duplicates."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stages.dedupe import sheet
from tests.helpers.prepare_settings import SETTINGS


@pytest.mark.parametrize(
    ("kinds", "title"),
    [
        (["near"], "No pairs are alike"),
        (["alike", "near"], "1 pairs that are alike, 1 shown; each row is one pair"),
    ],
)
def test_the_pairs_that_are_alike_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: list[str], title: str
) -> None:
    for name in ("0.png", "1.png"):
        Image.fromarray(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)).save(tmp_path / name)
    pairs = pd.DataFrame({"first": "0.png", "second": "1.png", "kind": kinds, "agreement": 0.5})
    titles = []
    monkeypatch.setattr(sheet, "contact_sheet", lambda *arguments: titles.append(arguments[-1]))
    sheet.draw_alike(tmp_path / "alike.png", pairs, tmp_path, SETTINGS)
    assert titles == [title]
