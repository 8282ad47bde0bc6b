import pytest

from cxr.commands.compare.configurations import group_runs
from tests.helpers.revisions import run


def named(*runs):
    """For each comparison the names of its configurations, and the revisions of each."""
    return [
        {
            configuration.name: [run.name for run in configuration.runs]
            for configuration in comparison.configurations
        }
        for comparison in group_runs(list(runs))
    ]


def test_runs_that_differ_in_seeds_and_folds_alone_are_repeats():
    runs = [
        run("main"),
        run("seed", train__seed=1, seed=1),
        run("fold", split__fold=1, prefix="b"),
        run("split", split__seed=1, prefix="c"),
        run("b-main", model="densenet121"),
        run("b-fold", model="densenet121", split__fold=1, prefix="b"),
    ]
    assert named(*runs) == [
        {
            "model=densenet121": ["b-fold", "b-main"],
            "model=resnet18": ["fold", "main", "seed", "split"],
        }
    ]


def test_a_configuration_is_named_by_what_it_differs_in():
    weights = "/data/weights/resnet18.imagenet.safetensors"
    assert named(
        run("a", recipes__scratch__epochs=16),
        run("b", recipes__scratch__epochs=16, recipes__scratch__weights=weights),
        run("c", recipes__scratch__weights=weights, recipes__scratch__epochs=3),
    ) == [
        {
            "epochs=16, weights=scratch": ["a"],
            "epochs=16, weights=resnet18.imagenet": ["b"],
            "epochs=3, weights=resnet18.imagenet": ["c"],
        }
    ]
    assert named(run("alone")) == [{"model=resnet18": ["alone"]}]


def test_a_setting_that_an_old_revision_lacks_is_not_in_its_name():
    assert named(
        run("new", recipes__scratch__head="pyramid"), run("old", recipes__scratch__head=None)
    ) == [{"head=pyramid": ["new"], "model=resnet18": ["old"]}]


def test_settings_of_an_architecture_are_named_only_if_the_model_does_not_decide_them():
    ours = {"architectures.resnet18.lr_factor": 0.05}
    assert named(run("a"), run("b", model="mobilenetv2")) == [
        {"model=resnet18": ["a"], "model=mobilenetv2": ["b"]}
    ]
    assert named(run("a"), run("b", **ours), run("c", model="mobilenetv2")) == [
        {
            "model=resnet18": ["a"],
            "model=resnet18, lr_factor=0.05": ["b"],
            "model=mobilenetv2": ["c"],
        }
    ]
    # Of another model they are no part of it.
    assert named(run("a"), run("b", seed=1, **{"architectures.densenet121.lr_factor": 0.1})) == [
        {"model=resnet18": ["a", "b"]}
    ]


def test_settings_of_a_recipe_are_named_only_if_the_recipe_does_not_decide_them():
    short = {"recipes.scratch.epochs": 3}
    assert named(run("a"), run("b", recipe="finetune"), run("c", **short)) == [
        {
            "recipe=scratch, epochs=16": ["a"],
            "recipe=finetune, epochs=30": ["b"],
            "recipe=scratch, epochs=3": ["c"],
        }
    ]
    assert named(run("a"), run("b", recipe="finetune")) == [
        {"recipe=scratch": ["a"], "recipe=finetune": ["b"]}
    ]


def test_settings_that_change_no_prediction_make_no_other_configuration():
    changed = {"gradcam__examples_per_class": 1, "evaluate__resamples": 100, "inbox": "/elsewhere"}
    assert named(run("a"), run("b", seed=1, **changed)) == [{"model=resnet18": ["a", "b"]}]


def test_the_same_run_under_two_names_counts_once():
    assert named(run("HEAD"), run("exp")) == [{"model=resnet18": ["HEAD"]}]


def test_other_code_is_no_repeat():
    assert named(run("main"), run("branch", source="other code", seed=1)) == [
        {"model=resnet18 (branch)": ["branch"], "model=resnet18 (main)": ["main"]}
    ]


def test_other_test_images_are_another_comparison_that_says_how_they_differ():
    ours, theirs = run("a"), run("b", dedupe__max_distance=30)
    theirs.test.loc[0, ["image", "sha256"]] = "a000b.png"
    theirs.test.loc[1, "target"] = "Normal"
    theirs.test.loc[2, "sha256"] = "another"
    first, second = group_runs([ours, theirs])
    (said,) = [note for note in first.notes if "other images" in note]
    assert "b was tested on other images of phantom" in said
    for part in (
        "1 only in a (such as a000.png)",
        "1 only in b (such as a000b.png)",
        "1 with different labels (such as a001.png)",
        "1 with the same name but different content (such as a002.png)",
    ):
        assert part in said
    assert "a was tested on other images" in " ".join(second.notes)


def test_each_data_set_has_a_comparison_of_its_own():
    found = group_runs(
        [
            run("a"),
            run("b", dataset="covid19_image", prefix="b"),
            run("c", dataset="covid19_image", prefix="b", model="mobilenetv2"),
            run("d", dataset="folder", inbox="/data/mine", prefix="d"),
        ]
    )
    assert [comparison.title for comparison in found] == [
        "covid19_image: 60 test images of 30 patients or single images",
        "folder mine: 60 test images of 30 patients or single images",
        "phantom: 60 test images of 30 patients or single images",
    ]
    assert not [note for comparison in found for note in comparison.notes if "other images" in note]


def test_a_configuration_that_lacks_a_fold_is_pointed_out():
    (comparison,) = group_runs(
        [
            run("a0"),
            run("a1", split__fold=1, prefix="b"),
            run("b0", model="densenet121"),
        ]
    )
    assert any("densenet121 was tested on 1 of 2 test sets" in note for note in comparison.notes)
    assert comparison.title.endswith(
        "120 test images of 60 patients or single images in 2 test sets"
    )


@pytest.mark.parametrize("column", ["image", "target", "sha256"])
def test_one_image_of_another_name_label_or_content_is_not_the_same_test(column):
    ours, theirs = run("a"), run("b", model="densenet121")
    assert len(group_runs([ours, theirs])) == 1
    theirs = run("b", model="densenet121")
    theirs.test.loc[0, column] = "Normal"
    assert len(group_runs([ours, theirs])) == 2
