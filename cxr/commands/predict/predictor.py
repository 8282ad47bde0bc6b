"""Predictions for image files, one batch at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr.commands.predict.input_warnings import input_warnings, measure_colourfulness
from cxr.images import new_images
from cxr.images.process import Outcome
from cxr.metrics.operating_point import OperatingPoint, choose_operating_point
from cxr.models.classifier import Classifier
from cxr.models.ood import OodDetector
from cxr.pipeline.files import rounded

BATCH_SIZE = 32


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image.

    Attributes:
        image: the file's name, as the user gave it.
        error: why the file can't be used; all other attributes are then empty.
        probabilities: calibrated, by class.
        decision: the positive class if its threshold is reached, else the most probable other
            class; without an operating point, the most probable class.
        distance: from the training images; see `cxr.models.ood`.
        warnings: reasons not to trust the prediction.
    """

    image: str
    error: str = ""
    probabilities: dict[str, float] = field(default_factory=dict)
    decision: str = ""
    distance: float | None = None
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The attributes, numbers rounded; only image and error if there is an error."""
        if self.error:
            return {"image": self.image, "error": self.error}
        content: dict[str, Any] = rounded(asdict(self))
        del content["error"]
        return content


class Predictor:
    """A trained network, with the preprocessing, out-of-distribution detector and threshold for it.

    Args:
        folder: a model folder.
        positive: candidates for the positive class.
        sensitivity: target of the operating point, in (0, 1].

    Raises:
        UserError: if the folder is not a model folder of this project.
    """

    def __init__(self, folder: Path, positive: Sequence[str], sensitivity: float) -> None:
        self.classifier = Classifier.load(folder)
        self.info = self.classifier.info
        self.detector = OodDetector.load(folder)
        self.settings = self.info.prepare_settings()
        self.operating_point: OperatingPoint | None = choose_operating_point(
            positive, sensitivity, self.info.classes, self.info.validation_probs
        )

    def predict(self, files: list[Path]) -> Iterator[tuple[list[Prediction], NDArray[np.uint8]]]:
        """Read and classify files.

        Yields:
            up to `BATCH_SIZE` predictions in the order of the files, and the pixels of those
            without an error, uint8 (N, S, S).
        """
        for start in range(0, len(files), BATCH_SIZE):
            batch = files[start : start + BATCH_SIZE]
            outcomes = [new_images.read(path, self.settings) for path in batch]
            usable = [outcome.pixels for outcome in outcomes if outcome.pixels is not None]
            empty = np.empty((0, self.info.size, self.info.size), np.uint8)
            pixels = np.stack(usable) if usable else empty
            yield list(self.predict_batch(batch, outcomes, pixels)), pixels

    def predict_batch(
        self, files: list[Path], outcomes: list[Outcome], pixels: NDArray[np.uint8]
    ) -> Iterator[Prediction]:
        """Classify one batch.

        Args:
            outcomes: of reading the files.
            pixels: of the files that could be read.
        """
        probs = self.classifier.probs(pixels)
        decisions = self.decide(probs)
        distances = self.detector.distances(pixels)
        row = -1
        for path, outcome in zip(files, outcomes, strict=True):
            # A file name need not be valid UTF-8.
            name = str(path).encode(errors="replace").decode()
            if outcome.pixels is None:
                yield Prediction(name, error=outcome.facts["reason"])
                continue
            row += 1
            is_dicom = outcome.facts["format"] == "DICOM"
            colourfulness = 0.0 if is_dicom else measure_colourfulness(path)
            yield Prediction(
                name,
                probabilities=dict(zip(self.info.classes, probs[row].tolist(), strict=True)),
                decision=self.info.classes[decisions[row]],
                distance=float(distances[row]),
                warnings=input_warnings(distances[row], self.detector, colourfulness),
            )

    def decide(self, probs: NDArray[np.float64]) -> NDArray[np.int64]:
        """The index of the class that each image is assigned to, (N,)."""
        if self.operating_point is None:
            return probs.argmax(1)
        return self.operating_point.apply_threshold(probs)
