"""Which runs are repeats of one configuration, and which configurations can be compared."""

import json
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from cxr.commands import revisions
from cxr.commands.revisions import Run, Settings

REPEATS = ("train.seed", "split.seed", "split.fold")
"""Settings in which repeats of one configuration may differ."""
WITHOUT_EFFECT = ("train.workers", "prepare.backend")
"""Settings that change how fast a prediction is made."""
WEIGHTS = (".safetensors", ".pth")

Repeats = list[Run]
"""Runs of one configuration."""
Part = list[Repeats]
"""Configurations that share test images."""


@dataclass(frozen=True)
class Configuration:
    """Runs that differ in nothing but seeds and folds.

    Attributes:
        name: the settings in which it differs from those it is compared with.
        settings: those that can change a prediction.
    """

    name: str
    settings: Settings
    runs: Repeats

    @property
    def test_sets(self) -> set[str]:
        return {run.test_set for run in self.runs}


@dataclass(frozen=True)
class Board:
    """Configurations that share test images.

    Attributes:
        notes: what to know of them, a sentence each.
    """

    title: str
    configurations: list[Configuration]
    notes: list[str]


def boards(found: list[Run]) -> list[Board]:
    """Sort runs into configurations, and these into boards by their test images."""
    sorted_out: dict[str, Repeats] = {}
    for run in different(found):
        sorted_out.setdefault(identity(run), []).append(run)
    together: list[Part] = []
    for repeats in sorted_out.values():
        joined = [part for part in together if test_sets(*part) & test_sets(repeats)]
        apart = [part for part in together if not test_sets(*part) & test_sets(repeats)]
        together = [*apart, [*(one for part in joined for one in part), repeats]]
    ordered = sorted(together, key=lambda part: (data(part[0][0]), part[0][0].name))
    return [board(part, ordered) for part in ordered]


def different(found: list[Run]) -> list[Run]:
    """The runs, sorted by name; one stands for all with the same settings and predictions."""
    known: dict[tuple[str, str, bytes], Run] = {}
    for run in sorted(found, key=lambda run: run.name):
        repeat = json.dumps([run.settings.get(key) for key in REPEATS])
        known.setdefault(
            (identity(run), f"{repeat} {run.test_set}", run.probabilities.tobytes()), run
        )
    return list(known.values())


def identity(run: Run) -> str:
    """The same for two runs if and only if they are repeats of one configuration."""
    return json.dumps([run.origin, effective(run.settings)], sort_keys=True)


def effective(settings: Settings) -> Settings:
    """The settings that can change a prediction, without those of `REPEATS`.

    Those of the model's architecture are named `lr` and so on, whatever the model.
    """
    dataset, architecture = settings["dataset"], f"architectures.{settings['model']}."
    parts = [dataset, *(settings["union.datasets"] if dataset == "union" else [])]
    sources = [start for part in parts for start in (f"{part}.", f"labels.{part}.")]
    kept = ("prepare.", "dedupe.", "split.", "train.", *sources)
    shared = {
        key: value
        for key, value in settings.items()
        if key in ("dataset", "model") or key.startswith(kept)
        if key not in (*REPEATS, *WITHOUT_EFFECT)
    }
    own = {
        key.removeprefix(architecture): value
        for key, value in settings.items()
        if key.startswith(architecture)
    }
    return shared | own


def test_sets(*configurations: Repeats) -> set[str]:
    """All test sets of some configurations."""
    return {run.test_set for repeats in configurations for run in repeats}


def data(run: Run) -> str:
    """What a run was tested on, in short."""
    dataset = run.settings["dataset"]
    if dataset == "folder":
        return f"folder {PurePath(run.settings['inbox']).name}"
    if dataset == "union":
        return "union of " + ", ".join(run.settings["union.datasets"])
    return str(dataset)


def board(part: Part, others: list[Part]) -> Board:
    """Name the configurations of a board and say what to know of them."""
    configurations = named(part)
    sets = {run.test_set: run for one in configurations for run in one.runs}
    images = sum(len(run.test) for run in sets.values())
    groups = len({group for run in sets.values() for group in run.test["split_group"]})
    several = f" in {len(sets)} test sets" if len(sets) > 1 else ""
    title = f"{data(part[0][0])}: {images} test images of {groups} patients or groups{several}"
    return Board(title, configurations, [*spread(configurations), *apart(part, others)])


def named(part: Part) -> list[Configuration]:
    """Configurations under the names of what they differ in."""
    settings = [effective(repeats[0].settings) for repeats in part]
    keys = differing(settings)
    names = [
        ", ".join(f"{key}={short(one.get(key))}" for key in keys) or f"model={one['model']}"
        for one in settings
    ]
    return [
        Configuration(
            # The same settings, but other code or another inbox.
            name if names.count(name) == 1 else f"{name} ({repeats[0].name})",
            one,
            repeats,
        )
        for name, one, repeats in zip(names, settings, part, strict=True)
    ]


def differing(settings: list[Settings]) -> list[str]:
    """The keys by which to name configurations: the model first, then by the alphabet.

    What the model alone decides, such as its learning rate, is left out.
    """
    keys = sorted({key for one in settings for key in one}, key=lambda key: (key != "model", key))
    by_model: dict[str, dict[str, set[str]]] = {}
    for one in settings:
        for key in keys:
            seen = by_model.setdefault(key, {}).setdefault(one["model"], set())
            seen.add(json.dumps(one.get(key)))
    return [
        key
        for key in keys
        if len({json.dumps(one.get(key)) for one in settings}) > 1
        if key == "model" or "." in key or any(len(seen) > 1 for seen in by_model[key].values())
    ]


def short(value: Any) -> str:
    """A setting as it is read best: of a file of weights, its name alone."""
    if isinstance(value, str) and value.endswith(WEIGHTS):
        return PurePath(value).stem
    return value if isinstance(value, str) else json.dumps(value)


def spread(configurations: list[Configuration]) -> list[str]:
    """What to know of repeats."""
    all_sets = {name for one in configurations for name in one.test_sets}
    notes = [
        f"{one.name} has runs on {len(one.test_sets)} of {len(all_sets)} test sets: it is compared "
        "with each other one on those that both have."
        for one in configurations
        if len(one.test_sets) < len(all_sets)
    ]
    varied = {
        key
        for one in configurations
        for key in REPEATS
        if len({run.settings.get(key) for run in one.runs}) > 1
    }
    if varied & {"split.fold", "split.seed"}:
        notes.append(
            "Runs on other folds or splits are tested on other images: each is scored on its own, "
            "then averaged. Their training images overlap, so that their spread (SD) is too small "
            "for what a new data set would give."
        )
    if all(len(one.runs) == 1 for one in configurations):
        notes.append(
            "One run each: what another train.seed would change is not in the intervals "
            "(`-S train.seed=0,1,2` adds it)."
        )
    return notes


def apart(part: Part, others: list[Part]) -> list[str]:
    """Why runs of the same data set stand on other boards."""
    here = part[0][0]
    return [
        f"{other[0][0].name} was tested on other images of {data(here)}, so that it is not "
        f"compared with {here.name}: {revisions.differences(here, other[0][0])}."
        for other in others
        if other is not part and data(other[0][0]) == data(here)
    ]
