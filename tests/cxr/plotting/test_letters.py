"""Class names of any script are readable in pictures."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from matplotlib.text import Text

from cxr.plotting import letters
from cxr.plotting.figures import figure

CLASSES = ["肺炎", "정상", "コロナ", "طبيعي", "Nørmal"]


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What is remembered of the fonts is forgotten before and after a test."""
    letters.families.cache_clear()
    letters.known.cache_clear()
    yield
    letters.families.cache_clear()
    letters.known.cache_clear()


@pytest.mark.filterwarnings("error")
def test_words_without_a_font_are_numbered_and_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(letters, "OTHERS", ())
    with figure(tmp_path / "a.png") as (canvas, axes):
        axes.bar(range(5), range(5), label="肺炎 (3)")
        axes.set_xticks(range(5), CLASSES)
        axes.set_title("Evidence for 정상")
        axes.legend()
    shown = {text.get_text() for text in canvas.findobj(Text)}
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks == ["[1]", "[2]", "[3]", *CLASSES[3:]]
    assert axes.get_title() == "Evidence for [2]"
    assert "[1] (3)" in shown
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1] for line in printed] == [
        f"[{number}] is {name}, for which no font is installed"
        for number, name in enumerate(CLASSES[:3], 1)
    ]


def test_an_installed_font_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Which has letters that matplotlib's own font lacks, and lies in matplotlib.
    monkeypatch.setattr(letters, "OTHERS", ("No such font", "STIXGeneral"))
    assert letters.families() == ["DejaVu Sans", "STIXGeneral"]
    with figure(tmp_path / "a.png") as (_, axes):
        axes.set_title("\u210a")
    assert axes.get_title() == "\u210a"
