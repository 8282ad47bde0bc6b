from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from cxr.commands.find_lr import suggest_lr
from cxr.pipeline.errors import UserError
from tests.helpers.builders import prepared
from tests.helpers.commands import call
from tests.helpers.training import arguments

torch.set_num_threads(1)


def find(folder: Path, inputs: Path) -> Path:
    words = arguments(folder, inputs, architecture={"drop_rate": 0.0}, optimizer="sgd")
    places = dict(zip(words[::2], words[1::2], strict=True))
    used = ("--params", "--pixels", "--split")
    options = [word for name in used for word in (name, places[name])]
    plots = folder.with_name(f"{folder.name}-plots")
    call("find-lr", *options, "--plots", str(plots))
    return plots


def test_writes_the_curve_and_prints_a_suggestion(tmp_path, capsys):
    small = prepared(tmp_path / "small")
    kept = tmp_path / "out-plots" / "notes.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    plots = find(tmp_path / "out", small)
    assert kept.read_text() == "mine"
    curve = pd.read_csv(plots / "find_lr.csv")
    rates = curve["lr"].to_numpy()
    assert rates[0] == pytest.approx(1e-6)
    assert np.allclose(rates[1:] / rates[:-1], 1e7 ** (1 / 99), rtol=1e-4)
    # At first nothing is learned, then something, in the end less than nothing.
    assert curve["loss"][:20].std() < 0.3
    assert curve["smoothed"].min() < 0.9 * curve["smoothed"][10]
    assert curve["smoothed"].iloc[-1] > curve["smoothed"].min()
    assert (plots / "find_lr.png").stat().st_size > 10_000
    found = float(capsys.readouterr().out.split("lr: ")[-1].split()[0])
    assert 1e-4 < found < 1
    again = find(tmp_path / "again", small)
    assert (again / "find_lr.csv").read_bytes() == (plots / "find_lr.csv").read_bytes()


def test_the_suggestion_is_where_the_loss_falls_fastest():
    lr = np.logspace(-6, 0, 100)
    smoothed = 1 - 1 / (1 + np.exp(-3 * (np.log10(lr) + 3))) + (lr > 0.1) * 3 * lr
    assert suggest_lr(pd.DataFrame({"lr": lr, "smoothed": smoothed})) == pytest.approx(
        1e-3, rel=0.2
    )


def test_a_loss_that_never_falls_is_told():
    # The fall in the first steps is by chance.
    smoothed = [2.0, 1.5, *np.linspace(1.0, 2.0, 28)]
    curve = pd.DataFrame({"lr": np.logspace(-6, -3, 30), "smoothed": smoothed})
    with pytest.raises(UserError, match="does not fall"):
        suggest_lr(curve)
