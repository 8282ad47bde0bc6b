from pathlib import Path

import pytest

from cxr.commands import paired
from cxr.commands.comment import sections
from cxr.commands.paired import Estimate
from cxr.pipeline.params import load
from tests.helpers.closure import ROOT
from tests.helpers.revisions import run

NAN = float("nan")
SETTINGS = load(ROOT / "params.yaml").evaluate.model_copy(update={"resamples": 400})


def lines(target, change):
    """The headline table's rows by metric."""
    pair = paired.score_configurations([[change], [target]], SETTINGS)
    text = sections.headline_section(target, change, pair)
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {row[0].removeprefix("| "): row[1:] for row in rows}, text


@pytest.mark.parametrize(
    ("low", "high", "score", "expected"),
    [
        (0.01, 0.2, "auroc", "better"),
        (-0.2, -0.01, "auroc", "worse"),
        (-0.01, 0.2, "auroc", "not significant"),
        (0.0, 0.2, "auroc", "not significant"),
        (0.01, 0.2, "brier", "worse"),
        (-0.2, -0.01, "ece", "better"),
        (NAN, NAN, "auroc", "undefined"),
        (-0.1, NAN, "brier", "undefined"),
    ],
)
def test_a_verdict_knows_which_way_is_better(low, high, score, expected):
    assert sections.classify_change(Estimate(0.1, low, high, 0.5), score) == expected


def test_a_change_on_the_same_images_is_judged_in_pairs():
    # The same network but for ten images: the intervals overlap, the pairs tell.
    target = run("main", [number % 10 < 6 for number in range(200)], 200)
    change = run("workspace", [number % 10 < 7 for number in range(200)], 200)
    found, text = lines(target, change)
    assert found["accuracy"][-1] == "better |"
    assert found["accuracy"][2].startswith("+0.100 (+0.0")
    assert "the same 200 test images" in text
    assert text.startswith("**Better: accuracy, ")
    assert lines(target, target)[1].startswith("**No metric changed significantly.**")


def test_a_change_of_the_test_images_is_judged_by_overlap_and_says_so():
    target, change = run("main", 0.7, prefix="a"), run("workspace", 0.75, prefix="b", seed=1)
    found, text = lines(target, change)
    assert found["accuracy"][-1] == "not significant |"
    assert "**The test images differ**" in text
    assert "60 only in workspace (such as b000.png)" in text
    far = run("workspace", 1.0, prefix="b")
    assert lines(target, far)[0]["accuracy"][-1] == "better |"


def test_a_metric_that_is_undefined_is_called_so():
    # All test images are of one class: there is no ROC curve.
    target = run("main", images=20, each=20)
    for change in (run("workspace", 0.9, images=20, each=20), run("b", images=9, each=9)):
        found, text = lines(target, change)
        assert found["AUROC"][0] == found["AUROC"][1] == "undefined"
        assert found["AUROC"][-1] == "undefined |"
        assert "nan" not in text
        assert "AUROC" in text.splitlines()[0].split("Undefined: ")[1]


def test_what_got_worse_is_said_first():
    judged = {"auroc": "better", "accuracy": "worse", "brier": "not significant"}
    assert sections.summary_line(judged) == "**Worse: accuracy. Better: AUROC.**"
    undefined = {"auroc": "undefined", "accuracy": "not significant"}
    assert sections.summary_line(undefined) == (
        "**No metric changed significantly. Undefined: AUROC.**"
    )


def test_other_code_that_measures_is_pointed_out():
    target = run("main", evaluation={"stages/evaluate": "1", "stages/gradcam": "1"})
    change = run("workspace", evaluation={"stages/evaluate": "2", "stages/gradcam": "1"})
    assert "The evaluation code" not in lines(target, target)[1]
    assert "**The evaluation code changed: `stages/evaluate`.**" in lines(target, change)[1]


def test_what_is_too_long_for_a_comment_leaves_the_rest():
    def comment(keys):
        params = {f"labels.folder.{key}": {"old": "a" * 50, "new": "b" * 50} for key in range(keys)}
        settings = sections.settings_section(params, same_sources=True)
        return sections.write_comment("main", "headline", {}, settings, [run("main")])

    text = comment(999)
    assert len(text) <= sections.MAX_LENGTH
    assert "### Settings\n\nToo long for a comment" in text
    assert text.count("Too long for a comment") == 1
    assert "| **COVID** |" in text
    assert "Too long" not in comment(99)


def test_the_plots_folder_is_named():
    assert "are in `out/plots`" in sections.plots_note(Path("out/plots"))


def test_numbers_that_changed_are_marked():
    metrics = {"suspicious": {"old": 0, "new": 1}, "network_gain": {"old": 0.25, "new": 0.25}}
    rows = sections.metrics_section(metrics).splitlines()
    assert "| suspicious | 0 | 1 | changed |" in rows
    assert "| network gain | 0.250 | 0.250 |  |" in rows
    metrics["suspicious"]["old"] = 1
    assert sections.metrics_section(metrics) == (
        "No number changed: network gain 0.250, suspicious 1."
    )
    # Undefined now.
    metrics["network_gain"]["new"] = None
    assert "| network gain | 0.250 | – | changed |" in sections.metrics_section(metrics)
    # Both of the outputs are lost.
    assert sections.metrics_section({}) == "The file is missing in both revisions."
