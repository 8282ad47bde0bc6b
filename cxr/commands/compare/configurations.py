"""Group runs into configurations, and configurations into comparisons on the same test images."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from cxr.commands.revisions import Run, Settings, describe_test_differences

REPEAT_SETTINGS = ("train.seed", "split.seed", "split.fold")
"""Settings in which the runs of a configuration may differ."""
SPEED_SETTINGS = ("train.workers", "prepare.backend")
"""Settings that do not change predictions."""
WEIGHT_SUFFIXES = (".safetensors", ".pth")

Runs = list[Run]
"""The runs of one configuration."""


@dataclass(frozen=True)
class Configuration:
    """Runs that differ only in seeds and folds.

    Attributes:
        name: the settings that distinguish it from the others in its comparison.
        settings: those that can change predictions.
    """

    name: str
    settings: Settings
    runs: Runs

    @property
    def test_sets(self) -> set[str]:
        return test_sets([self.runs])


@dataclass(frozen=True)
class Comparison:
    """Configurations that share test images, and can therefore be compared.

    Attributes:
        notes: what a reader must know to interpret the comparison, one sentence or more each.
    """

    title: str
    configurations: list[Configuration]
    notes: list[str]


def group_runs(runs: list[Run]) -> list[Comparison]:
    """Group runs into configurations, and these by their test images into comparisons."""
    by_configuration: dict[str, Runs] = {}
    for run in unique_runs(runs):
        by_configuration.setdefault(configuration_key(run), []).append(run)
    groups: list[list[Runs]] = []
    for configuration in by_configuration.values():
        tested_on = test_sets([configuration])
        overlapping = [group for group in groups if test_sets(group) & tested_on]
        others = [group for group in groups if not test_sets(group) & tested_on]
        merged = [member for group in overlapping for member in group]
        groups = [*others, [*merged, configuration]]
    groups.sort(key=lambda group: (dataset_name(group[0][0]), group[0][0].name))
    return [to_comparison(group, groups) for group in groups]


def unique_runs(runs: list[Run]) -> list[Run]:
    """The runs, sorted by name; one of those with the same settings and predictions."""
    unique: dict[tuple[str, str, bytes], Run] = {}
    for run in sorted(runs, key=lambda run: run.name):
        repeat = json.dumps([run.settings.get(key) for key in REPEAT_SETTINGS])
        key = (configuration_key(run), f"{repeat} {run.test_set}", run.probs.tobytes())
        unique.setdefault(key, run)
    return list(unique.values())


def configuration_key(run: Run) -> str:
    """A key that two runs share if and only if they belong to the same configuration."""
    return json.dumps([run.source_hash, prediction_settings(run.settings)], sort_keys=True)


def prediction_settings(settings: Settings) -> Settings:
    """The settings that can change predictions, without `REPEAT_SETTINGS`.

    What the model and the recipe bring along is named `architecture.drop_rate` or `recipe.epochs`,
    so that it compares across models and recipes.
    """
    dataset = settings["dataset"]
    datasets = [dataset, *(settings["union.datasets"] if dataset == "union" else [])]
    sources = [start for name in datasets for start in (f"{name}.", f"labels.{name}.")]
    sections = ("prepare.", "dedupe.", "split.", "train.", *sources)
    shared = {
        key: value
        for key, value in settings.items()
        if key in ("dataset", "model", "recipe") or key.startswith(sections)
        if key not in (*REPEAT_SETTINGS, *SPEED_SETTINGS)
    }
    chosen = {
        f"{owner}.{key.removeprefix(prefix)}": value
        for owner, prefix in (
            ("architecture", f"architectures.{settings['model']}."),
            ("recipe", f"recipes.{settings.get('recipe')}."),
        )
        for key, value in settings.items()
        if key.startswith(prefix)
    }
    return shared | chosen


def test_sets(configurations: Iterable[Runs]) -> set[str]:
    """All test sets of some configurations."""
    return {run.test_set for runs in configurations for run in runs}


def dataset_name(run: Run) -> str:
    """The name of the data set of a run, for a title."""
    dataset = run.settings["dataset"]
    if dataset == "folder":
        return f"folder {PurePath(run.settings['inbox']).name}"
    if dataset == "union":
        return "union of " + ", ".join(run.settings["union.datasets"])
    return str(dataset)


def to_comparison(group: list[Runs], groups: list[list[Runs]]) -> Comparison:
    """Name the configurations of a group, and write its title and notes.

    Args:
        groups: all groups, including this one.
    """
    configurations = name_configurations(group)
    tests = {run.test_set: run.test for runs in group for run in runs}
    images = sum(len(test) for test in tests.values())
    patients = len({name for test in tests.values() for name in test["split_group"]})
    suffix = f" in {len(tests)} test sets" if len(tests) > 1 else ""
    dataset = dataset_name(group[0][0])
    title = f"{dataset}: {images} test images of {patients} patients or single images{suffix}"
    notes = [*repeat_notes(configurations), *incomparable_notes(group, groups)]
    return Comparison(title, configurations, notes)


def name_configurations(group: list[Runs]) -> list[Configuration]:
    """Name each configuration by the settings in which it differs from the others.

    A setting that an old revision does not have is left out of its name.
    """
    settings = [prediction_settings(runs[0].settings) for runs in group]
    keys = distinguishing_keys(settings)
    names = [
        ", ".join(
            f"{short_key(key)}={short_value(values[key])}"
            for key in keys
            if values.get(key) is not None
        )
        or f"model={values['model']}"
        for values in settings
    ]
    return [
        Configuration(
            # The settings may be the same, and the code or the inbox different.
            name if names.count(name) == 1 else f"{name} ({runs[0].name})",
            values,
            runs,
        )
        for name, values, runs in zip(names, settings, group, strict=True)
    ]


def distinguishing_keys(settings: list[Settings]) -> list[str]:
    """The keys in which configurations differ: model and recipe first, the others by name.

    Settings that follow from the model or the recipe, such as its epochs, are left out.
    """
    keys = sorted(
        {key for values in settings for key in values},
        key=lambda key: (key != "model", key != "recipe", key),
    )
    return [key for key in keys if differs(key, settings)]


def differs(key: str, settings: list[Settings]) -> bool:
    """Whether a setting differs between configurations.

    What the model or the recipe brings along must differ between those of one model or recipe.
    """
    owner = {"architecture": "model", "recipe": "recipe"}.get(key.split(".")[0], "")
    if key == owner:
        owner = ""
    seen: dict[str, set[str]] = {}
    for values in settings:
        group = json.dumps(values.get(owner)) if owner else ""
        seen.setdefault(group, set()).add(json.dumps(values.get(key)))
    return any(len(found) > 1 for found in seen.values())


def short_key(key: str) -> str:
    """A setting's name, without saying that it belongs to the model or the recipe."""
    return key.removeprefix("architecture.").removeprefix("recipe.")


def short_value(value: Any) -> str:
    """A setting as text; a weights file as its name without folder and suffix."""
    if isinstance(value, str) and value.endswith(WEIGHT_SUFFIXES):
        return PurePath(value).stem
    return value if isinstance(value, str) else json.dumps(value)


def repeat_notes(configurations: list[Configuration]) -> list[str]:
    """What to know about seeds and folds."""
    all_sets = {name for configuration in configurations for name in configuration.test_sets}
    notes = [
        f"{configuration.name} was tested on {len(configuration.test_sets)} of {len(all_sets)} "
        "test sets. It is compared with each other configuration on the test sets that both have."
        for configuration in configurations
        if len(configuration.test_sets) < len(all_sets)
    ]
    varied = {
        key
        for configuration in configurations
        for key in REPEAT_SETTINGS
        if len({run.settings.get(key) for run in configuration.runs}) > 1
    }
    if varied & {"split.fold", "split.seed"}:
        notes.append(
            "Runs with different folds or splits have different test images: each run is scored "
            "on its own, then the scores are averaged. Because their training images overlap, "
            "the standard deviation (±) underestimates the variation on new data."
        )
    if all(len(configuration.runs) == 1 for configuration in configurations):
        notes.append(
            "There is one run of each configuration, so the intervals do not include the "
            "variation between seeds (add runs with `-S train.seed=0,1,2`)."
        )
    return notes


def incomparable_notes(group: list[Runs], groups: list[list[Runs]]) -> list[str]:
    """Why runs on the same data set are in different comparisons."""
    run = group[0][0]
    return [
        f"{other[0][0].name} was tested on other images of {dataset_name(run)} and cannot be "
        f"compared with {run.name}: {describe_test_differences(run, other[0][0])}."
        for other in groups
        if other is not group and dataset_name(other[0][0]) == dataset_name(run)
    ]
