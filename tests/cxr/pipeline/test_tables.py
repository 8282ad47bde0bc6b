from pathlib import Path

import pandas as pd
import pandera.errors
import pytest

from cxr.pipeline import tables
from cxr.pipeline.errors import UserError
from tests.helpers.builders import prepared


def test_a_table_is_sorted_and_comes_back_as_it_was(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "image": ["b", "a"],
            "row": [1, 0],
            "target": ["NA", ""],
            "patient": ["007", "1e5"],
            "split_group": ["b", "a"],
            "source": ["", "true"],
            "split": ["train", ""],
        }
    )
    tables.write(tmp_path / "split.csv", table, tables.Split)
    back = tables.read(tmp_path / "split.csv", tables.Split)
    assert back["image"].tolist() == ["a", "b"]
    assert back["patient"].tolist() == ["1e5", "007"]
    assert back["target"].tolist() == ["", "NA"]
    assert b"\r" not in (tmp_path / "split.csv").read_bytes()


@pytest.mark.parametrize(
    "change",
    [{"split": "holdout"}, {"row": -1}, {"image": "same"}, {"extra": 1}],
    ids=["unknown side", "negative row", "image twice", "unknown column"],
)
def test_a_wrong_table_is_not_written(tmp_path: Path, change: dict[str, object]) -> None:
    table = tables.read(prepared(tmp_path) / "split.csv", tables.Split).assign(**change)
    with pytest.raises((pandera.errors.SchemaError, pandera.errors.SchemaErrors)):
        tables.write(tmp_path / "new.csv", table, tables.Split)
    assert not (tmp_path / "new.csv").exists()


def test_a_file_that_is_no_such_table_is_one_line(tmp_path: Path) -> None:
    prepared(tmp_path)
    with pytest.raises(UserError, match=r"split\.csv is not the table Images") as caught:
        tables.read(tmp_path / "split.csv", tables.Images)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="missing"):
        tables.read(tmp_path / "nothing.csv", tables.Images)


def test_probabilities_that_print_as_whole_numbers_come_back(tmp_path: Path) -> None:
    table = pd.DataFrame({"image": ["a", "b"], "target": "x", "split": "test"})
    table = table.assign(p_x=[1 - 1e-9, 1e-12], p_y=[0.0, 1.0])
    tables.write(tmp_path / "p.csv", table, tables.Predictions)
    assert tables.read(tmp_path / "p.csv", tables.Predictions)["p_x"].tolist() == [1.0, 1e-12]
