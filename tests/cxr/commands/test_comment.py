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


def lines(target, change, metrics=None):
    """The headline table's rows by metric."""
    pair = paired.score_configurations([[change], [target]], SETTINGS)
    text = sections.headline_section(target, change, pair, metrics or {})
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


def test_both_sides_show_what_their_metrics_files_say():
    metrics = {
        "auroc": {"old": 0.5, "new": 0.6},
        "interval.auroc.low": {"old": 0.4, "new": 0.51},
        "interval.auroc.high": {"old": 0.61, "new": 0.7},
    }
    found, _ = lines(run("main"), run("workspace", 0.8, seed=1), metrics)
    assert found["AUROC"][:2] == ["0.500 (0.400 to 0.610)", "0.600 (0.510 to 0.700)"]


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
    target, change = run("main"), run("workspace")
    pair = paired.score_configurations([[change], [target]], SETTINGS)
    keys = {f"labels.folder.{number}": {"old": "a" * 50, "new": "b" * 50} for number in range(999)}
    text = sections.write_comment(target, change, pair, {}, keys)
    assert len(text) <= sections.MAX_LENGTH
    assert "### Settings\n\nToo long for a comment" in text
    assert text.count("Too long for a comment") == 1
    assert "| **COVID** |" in text
    assert "Too long" not in sections.write_comment(
        target, change, pair, {}, dict(list(keys.items())[:99])
    )


def test_the_plots_folder_is_named():
    assert "are in `out/plots`" in sections.plots_note(Path("out/plots"))


def test_an_audit_that_got_worse_is_said_first():
    def metrics(old, new):
        return {
            "border.suspicious": {"old": old, "new": new},
            "border.balanced_accuracy": {"old": 0.3, "new": 0.8},
        }

    assert sections.audit_section(metrics(False, True)).startswith(
        "**Worse: image border became suspicious.**"
    )
    for old, new in ((True, True), (True, False), (False, False)):
        assert sections.audit_section(metrics(old, new)).startswith("No probe became suspicious.")
    assert "| image border | 0.300 | 0.800 (suspicious) |" in sections.audit_section(
        metrics(False, True)
    )


def test_counts_that_changed_are_marked():
    split = {
        "flow.found": {"old": 10, "new": 12},
        "flow.train": {"old": 6, "new": 6},
        "flow.val": {"old": 2, "new": 2},
        "flow.test": {"old": 2, "new": 2},
    }
    rows = sections.data_section(split, {"near": {"old": 1, "new": 1}}).splitlines()
    assert "| found images | 10 | 12 | changed |" in rows
    assert "| near duplicates | 1 | 1 |  |" in rows
    del split["flow.found"]
    assert sections.data_section(split, {}) == (
        "No count changed: 6 training, 2 validation, 2 test images."
    )
    # Both of the outputs are lost.
    assert sections.data_section({}, {}) == "metrics/split.json is missing in both revisions."
    assert sections.audit_section({}) == "metrics/audit.json is missing in both revisions."


def test_confusion_counts_the_test_images():
    text = sections.confusion_section(run("main", [True] * 50 + [False] * 10))
    assert "50" not in text.splitlines()[0].split(":")[0]
    assert "83.3% of 60 correct" in text
    # Of the last ten images, four are COVID.
    assert "| **COVID** | 26 | 4 | 30 |" in text
    assert "| **Normal** | 6 | 24 | 30 |" in text


def test_other_code_is_a_change_too():
    target, change = run("main"), run("workspace", source="other code")
    assert sections.settings_section(target, target, {}) == "No parameter changed."
    assert "The training code or the inbox" in sections.settings_section(target, change, {})
    changed = {"train.epochs": {"old": 12, "new": 3}, "gpu.when_busy": {"new": "wait"}}
    rows = sections.settings_section(target, target, changed).splitlines()
    assert rows[2:] == ["| `gpu.when_busy` | – | `wait` |", "| `train.epochs` | `12` | `3` |"]
