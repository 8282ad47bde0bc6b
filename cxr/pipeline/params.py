"""params.yaml as typed, validated settings. The comments in params.yaml explain each key."""

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from cxr.pipeline.errors import UserError

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]

# Pairs of which at least this much detail agrees are alike: among real X-rays, unless all but the
# lungs was black, all of them were of one patient (docs/duplicates.md). With less, images of other
# patients would be duplicates.
ALIKE = 0.55

# The image's size divided by that of the map that a pyramid classifies, if a network has no other.
PYRAMID_STRIDE: Literal[8] = 8
HUB_NAME = re.compile(r"hf-hub:[\w.-]+/[\w.-]+(@[^@\s]+)?")


class Settings(BaseModel):
    """Base of all settings: unknown keys are errors, and types are not converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Phantom(Settings):
    seed: Seed
    patients: Annotated[int, Field(ge=8)]
    marker_probability: Fraction


class Download(Settings):
    mirror: Annotated[str, Field(pattern=r"^(https?://.+)?$")]
    urls: dict[str, Annotated[str, Field(pattern=r"^(https?://|kaggle:)[^/]+/.+$")]]
    sha256: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]
    max_unpacked_gigabytes: Annotated[float, Field(gt=0)]
    max_compression_ratio: Annotated[float, Field(gt=1)]


class Union(Settings):
    datasets: list[str]
    labels: dict[str, dict[str, str]]


class Prepare(Settings):
    # Not `size`: the lookup in DVC's run cache ignores keys of that name.
    image_size: Annotated[int, Field(ge=32, le=1024)]
    resize_mode: Literal["crop", "pad", "stretch"]
    views: list[str]
    min_side: Positive
    # Pillow's own limit is 2**31 bytes.
    max_megapixels: Annotated[float, Field(gt=0, le=500)]
    backend: Literal["loky", "threading", "dask"]


class Dedupe(Settings):
    max_distance: Annotated[int, Field(ge=0, le=256)]
    min_agreement: Annotated[float, Field(ge=ALIKE, le=1)]
    rotations_and_flips: bool
    on_conflict: Literal["drop", "keep"]


class SplitSettings(Settings):
    seed: Seed
    method: Literal["folds", "stable"]
    folds: Annotated[int, Field(ge=3)]
    fold: Annotated[int, Field(ge=0)]
    stratify_by_source: bool
    use_official_split: bool
    test_sources: list[str]
    patient_pattern: str

    @field_validator("patient_pattern")
    @classmethod
    def check_pattern(cls, pattern: str) -> str:
        """Require a regular expression."""
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"'{pattern}' is not a regular expression: {error}") from error
        return pattern

    @model_validator(mode="after")
    def check_fold(self) -> Self:
        """Require `fold` to be one of the folds."""
        if self.fold >= self.folds:
            raise ValueError(
                f"fold: {self.fold} must be below split.folds ({self.folds}); the first fold is 0."
            )
        return self


class Augment(Settings):
    rotate: Annotated[float, Field(ge=0, le=180)]
    zoom: Annotated[float, Field(ge=0, lt=1)]
    shift: Annotated[float, Field(ge=0, lt=1)]
    horizontal_flip: Fraction
    vertical_flip: Fraction
    brightness: Fraction
    contrast: Fraction
    gamma: Annotated[float, Field(ge=0, lt=1)]
    clahe: Fraction
    noise: Fraction
    erase: Fraction


class Recipe(Settings):
    weights: str
    head: Literal["pooled", "pyramid"]
    epochs: Positive
    # Batch normalization needs more than one image.
    batch_size: Annotated[int, Field(ge=2)]
    accumulate_grad_batches: Positive
    optimizer: Literal["lamb", "adamw", "adam", "sgd"]
    lr: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    gradient_clip: Annotated[float, Field(ge=0)]
    warmup_epochs: Annotated[float, Field(ge=0)]
    freeze_epochs: Annotated[int, Field(ge=0)]
    imbalance: Literal["none", "weights", "sampling", "focal"]
    # Between 0 and 1, a prediction with probability 1 has an infinite gradient.
    focal_gamma: Annotated[float, Field(ge=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    mixup_alpha: Annotated[float, Field(ge=0)]
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    test_time_flip: bool
    monitor: Literal["loss", "accuracy", "balanced_accuracy", "auroc", "last"]
    patience: Annotated[int, Field(ge=0)]
    augment: Augment

    @field_validator("weights")
    @classmethod
    def check_hub(cls, weights: str) -> str:
        """Require an owner and a name of weights on the Hugging Face hub."""
        if weights.startswith("hf-hub:") and not HUB_NAME.fullmatch(weights):
            raise ValueError(
                f"'{weights}' names no weights on the hub: "
                "write hf-hub:owner/name or hf-hub:owner/name@revision."
            )
        return weights

    @model_validator(mode="after")
    def check_epochs(self) -> Self:
        """Require frozen and warm-up epochs to be among the epochs, patience to have a metric."""
        if self.freeze_epochs > self.epochs:
            raise ValueError(
                f"freeze_epochs: {self.freeze_epochs} is more than epochs ({self.epochs})."
            )
        trained = self.epochs - self.freeze_epochs
        if self.warmup_epochs > trained > 0:
            raise ValueError(
                f"warmup_epochs: {self.warmup_epochs:g} is more than the {trained} epochs that are "
                "not frozen (epochs - freeze_epochs)."
            )
        if self.patience and self.monitor == "last":
            raise ValueError(
                f"patience: {self.patience} waits for no metric where monitor is last: "
                "set patience to 0, or monitor to a metric."
            )
        return self


class Train(Settings):
    seed: Seed
    precision: Literal["auto", "fp32", "bf16"]
    workers: int | Literal["auto"]
    devices: Positive
    nodes: Positive
    strategy: Literal["auto", "ddp"]

    @field_validator("workers", mode="before")
    @classmethod
    def check_workers(cls, value: object) -> object:
        """Describe both kinds of value. (pydantic reports a mistake for each kind.)"""
        if value == "auto" or (type(value) is int and value >= 0):
            return value
        raise ValueError(f"{value!r} is invalid: give a number of processes, or auto.")


class Training(Recipe, Train):
    """All that a training run needs to know: see `Params.training`.

    Attributes:
        recipe: its name.
    """

    recipe: str


class Cpu(Settings):
    portable: bool
    threads: Positive


class Gpu(Settings):
    when_busy: Literal["wait", "cpu"]


class Architecture(Settings):
    timm: str
    drop_rate: Annotated[float, Field(ge=0, lt=1)]
    lr_factor: Annotated[float, Field(gt=0)] = 1.0
    scratch_epoch_factor: Positive = 1
    pyramid_stride: Literal[4, 8] = PYRAMID_STRIDE


class Evaluate(Settings):
    seed: Seed
    resamples: Annotated[int, Field(ge=100)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    positive_class: list[str]
    target_sensitivity: Annotated[float, Field(gt=0, le=1)]


class GradCam(Settings):
    method: Literal["GradCAM", "GradCAM++", "HiResCAM", "EigenCAM", "LayerCAM"]
    layer: str
    images_per_split: Positive
    perturbed_per_split: Positive
    examples_per_class: Positive
    novel: Annotated[str, Field(min_length=1)]


class Params(Settings):
    """All of params.yaml."""

    dataset: str
    inbox: Annotated[str, Field(min_length=1)]
    model: str
    recipe: str
    download: Download
    phantom: Phantom
    union: Union
    labels: dict[str, dict[str, str]]
    prepare: Prepare
    dedupe: Dedupe
    split: SplitSettings
    train: Train
    recipes: dict[str, Recipe]
    cpu: Cpu
    gpu: Gpu
    architectures: dict[str, Architecture]
    evaluate: Evaluate
    gradcam: GradCam

    @model_validator(mode="after")
    def check_names(self) -> Self:
        """Require the model to be one of the architectures, and the recipe one of the recipes."""
        for key, name, block, known in (
            ("model", self.model, "architectures", self.architectures),
            ("recipe", self.recipe, "recipes", self.recipes),
        ):
            if name not in known:
                raise ValueError(
                    f"{key}: '{name}' is not under `{block}:`{nearest(name, list(known))}. "
                    f"There are: {', '.join(known)}."
                )
        return self

    def training(self) -> Training:
        """`train` and the chosen recipe, with the factors of the chosen network applied."""
        recipe, network = self.recipes[self.recipe], self.architectures[self.model]
        from_scratch = recipe.weights == "scratch"
        changed = {
            "recipe": self.recipe,
            "lr": recipe.lr * network.lr_factor,
            "epochs": recipe.epochs * (network.scratch_epoch_factor if from_scratch else 1),
        }
        return Training(**(self.train.model_dump() | recipe.model_dump() | changed))


def load(path: Path) -> Params:
    """Read and validate params.yaml.

    Raises:
        UserError: for the first key that is unknown, missing or out of range.
    """
    try:
        content = YAML(typ="safe").load(path)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: run this in the project's root folder.") from error
    except YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if content is None:
        raise UserError(f"{path} is empty: restore it with `git checkout {path.name}`.")
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: {first_mistake(error)}") from error


def first_mistake(error: ValidationError) -> str:
    """The first validation error as `key: what is wrong`, with the nearest known key."""
    # A misspelt key is also reported as missing: report its spelling, which helps more.
    mistake = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in mistake["loc"])
    if mistake["type"] == "extra_forbidden":
        model: Any = Params
        for part in mistake["loc"][:-1]:
            model = settings_below(model, str(part))
        known = list(model.model_fields)
        return f"{key}: unknown key{nearest(str(mistake['loc'][-1]), known)}."
    if mistake["type"] == "missing":
        return f"{key}: this key is missing."
    if mistake["type"] == "value_error":
        reason = str(mistake["ctx"]["error"])
        # That of a whole block begins with the key.
        block = isinstance(mistake["input"], dict)
        return ".".join([*map(str, mistake["loc"]), reason]) if block else f"{key}: {reason}"
    return f"{key}: {mistake['input']!r} is invalid: {mistake['msg']}."


def settings_below(model: Any, part: str) -> Any:
    """The settings class at the key `part` of a settings class or of a `dict[str, class]`."""
    fields = getattr(model, "model_fields", {})
    return fields[part].annotation if part in fields else get_args(model)[1]


def nearest(word: str, known: list[str]) -> str:
    """` (did you mean 'x'?)` for the known word most like this one, or nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
