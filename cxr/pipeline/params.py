"""params.yaml as typed, validated settings. Each key is explained by a comment in params.yaml."""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from cxr.pipeline.cli import UserError

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Settings(BaseModel):
    """Unknown keys are errors; `1` is no string and `"1"` no number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Phantom(Settings):
    seed: Seed
    patients: Annotated[int, Field(ge=8)]
    marker: Fraction


class Download(Settings):
    mirror: Annotated[str, Field(pattern=r"^(https?://.+)?$")]
    urls: dict[str, Annotated[str, Field(pattern=r"^(https?://|kaggle:)[^/]+/.+$")]]
    sha256: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]
    max_gigabytes: Annotated[float, Field(gt=0)]
    max_ratio: Annotated[float, Field(gt=1)]


class Union(Settings):
    datasets: list[str]
    labels: dict[str, dict[str, str]]


class Prepare(Settings):
    # Not `size`: DVC leaves keys of that name out when it looks into its run cache.
    side: Annotated[int, Field(ge=32, le=1024)]
    fit: Literal["crop", "pad", "stretch"]
    views: list[str]
    min_side: Positive
    # Of one image; Pillow itself ends at 2**31 bytes.
    max_megapixels: Annotated[float, Field(gt=0, le=500)]
    backend: Literal["loky", "threading", "dask"]


class Dedupe(Settings):
    distance: Annotated[int, Field(ge=0, le=256)]
    correlation: Annotated[float, Field(ge=-1, le=1)]
    mirror: bool
    conflict: Literal["drop", "keep"]


class SplitSettings(Settings):
    seed: Seed
    method: Literal["folds", "stable"]
    folds: Annotated[int, Field(ge=3)]
    fold: Annotated[int, Field(ge=0)]
    stratify_source: bool
    official: bool
    test_sources: list[str]


class Augment(Settings):
    rotate: Annotated[float, Field(ge=0, le=180)]
    zoom: Annotated[float, Field(ge=0, lt=1)]
    shift: Annotated[float, Field(ge=0, lt=1)]
    flip: Fraction
    vertical_flip: Fraction
    brightness: Fraction
    contrast: Fraction
    gamma: Annotated[float, Field(ge=0, lt=1)]
    clahe: Fraction
    noise: Fraction
    erase: Fraction


class Train(Settings):
    seed: Seed
    weights: str
    epochs: Positive
    # Batch normalisation can't learn from single images.
    batch_size: Annotated[int, Field(ge=2)]
    accumulate: Positive
    optimizer: Literal["adamw", "adam", "sgd"]
    weight_decay: Annotated[float, Field(ge=0)]
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    gradient_clip: Annotated[float, Field(ge=0)]
    warmup_epochs: Annotated[float, Field(ge=0)]
    freeze_epochs: Annotated[int, Field(ge=0)]
    imbalance: Literal["none", "weights", "sampling", "focal"]
    # Between 0 and 1, the gradient of a certain prediction is infinite.
    focal_gamma: Annotated[float, Field(ge=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    mixup: Annotated[float, Field(ge=0)]
    ema: Annotated[float, Field(ge=0, lt=1)]
    monitor: Literal["loss", "accuracy", "balanced_accuracy", "auroc"]
    patience: Annotated[int, Field(ge=0)]
    precision: Literal["auto", "fp32", "bf16"]
    workers: Annotated[int, Field(ge=0)]
    devices: Positive
    nodes: Positive
    strategy: Literal["auto", "ddp"]
    augment: Augment


class Cpu(Settings):
    portable: bool
    threads: Positive


class Gpu(Settings):
    when_busy: Literal["wait", "cpu"]


class Architecture(Settings):
    timm: str
    lr: Annotated[float, Field(gt=0)]
    drop_rate: Annotated[float, Field(ge=0, lt=1)]


class Evaluate(Settings):
    seed: Seed
    resamples: Annotated[int, Field(ge=100)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    positive: list[str]
    sensitivity: Annotated[float, Field(gt=0, le=1)]


class GradCam(Settings):
    method: Literal["GradCAM", "GradCAM++", "HiResCAM", "EigenCAM", "LayerCAM"]
    layer: str
    measured: Positive
    perturbed: Positive
    per_class: Positive
    novel: Annotated[str, Field(min_length=1)]


class Params(Settings):
    """The whole of params.yaml."""

    dataset: str
    inbox: Annotated[str, Field(min_length=1)]
    model: str
    download: Download
    phantom: Phantom
    union: Union
    labels: dict[str, dict[str, str]]
    prepare: Prepare
    dedupe: Dedupe
    split: SplitSettings
    train: Train
    cpu: Cpu
    gpu: Gpu
    architectures: dict[str, Architecture]
    evaluate: Evaluate
    gradcam: GradCam


def load(path: Path) -> Params:
    """Read and validate params.yaml.

    Raises:
        UserError: for the first key that is unknown, missing or out of range.
    """
    try:
        content = YAML(typ="safe").load(path)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: run this in the project's top folder.") from error
    except YAMLError as error:
        raise UserError(f"{path} is no valid YAML: {' '.join(str(error).split())}") from error
    if content is None:
        raise UserError(f"{path} is empty: `git checkout {path.name}` brings it back.")
    try:
        params = Params.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: {first_mistake(error, content)}") from error
    if params.model not in params.architectures:
        raise UserError(
            f"{path}: model: '{params.model}' is not under `architectures:`"
            f"{nearest(params.model, list(params.architectures))}. "
            f"There are: {', '.join(params.architectures)}."
        )
    if params.train.freeze_epochs > params.train.epochs:
        raise UserError(
            f"{path}: train.freeze_epochs: {params.train.freeze_epochs} is more than train.epochs "
            f"({params.train.epochs})."
        )
    if params.split.fold >= params.split.folds:
        raise UserError(
            f"{path}: split.fold: {params.split.fold} must be below split.folds "
            f"({params.split.folds}); the first fold is 0."
        )
    return params


def first_mistake(error: ValidationError, content: Any) -> str:
    """The first validation error as `key: what is wrong`, with the nearest known key."""
    # A misspelt key is also a missing one: the spelling is what helps.
    mistakes = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    mistake = mistakes[0]
    key = ".".join(str(part) for part in mistake["loc"])
    if mistake["type"] == "extra_forbidden":
        model: Any = Params
        for part in mistake["loc"][:-1]:
            model = known_fields(model, str(part))
        known = list(model.model_fields)
        return f"{key}: unknown key{nearest(str(mistake['loc'][-1]), known)}."
    if mistake["type"] == "missing":
        return f"{key}: this key is missing."
    return f"{key}: {mistake['input']!r} won't do: {mistake['msg']}."


def known_fields(model: Any, part: str) -> Any:
    """The settings class below `model` at the key `part`."""
    if part not in getattr(model, "model_fields", {}):
        return Architecture
    annotation = model.model_fields[part].annotation
    return annotation


def nearest(word: str, known: list[str]) -> str:
    """` (did you mean 'x'?)` for the known word most like this one, or nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
