"""What a network makes of image files, a batch at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr.commands.predict.doubts import colourfulness, doubts
from cxr.images import new_images
from cxr.images.process import Outcome
from cxr.metrics.operating_point import (
    OperatingPoint,
    choose_operating_point,
    find_positive_class,
)
from cxr.models.classifier import Classifier
from cxr.models.info import ModelInfo
from cxr.models.ood import OodDetector
from cxr.pipeline.errors import UserError
from cxr.pipeline.files import rounded

BATCH = 32


@dataclass(frozen=True)
class Finding:
    """What is made of one image.

    Attributes:
        image: as the user named it.
        error: why it can't be used; then nothing else is known.
        probabilities: calibrated, by class.
        decision: the positive class from its threshold on, else the most probable other; without
            an operating point, the most probable class.
        distance: from the training images.
        warnings: why the network should not have been asked.
    """

    image: str
    error: str = ""
    probabilities: dict[str, float] = field(default_factory=dict)
    decision: str = ""
    distance: float | None = None
    warnings: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For machines, numbers rounded."""
        if self.error:
            return {"image": self.image, "error": self.error}
        content: dict[str, Any] = rounded(asdict(self))
        del content["error"]
        return content


class Judge:
    """A trained network and what its folder says of how to use it.

    Raises:
        UserError: if the folder is not one that this project's training leaves.
    """

    def __init__(self, folder: Path, wanted: Sequence[str], sensitivity: float) -> None:
        self.classifier = Classifier.load(folder)
        self.info = self.classifier.info
        self.detector = OodDetector.load(folder)
        self.settings = self.info.prepare_settings()
        self.point: OperatingPoint | None = choose_operating_point(
            wanted, sensitivity, self.info.classes, self.info.validation_probs
        )

    def findings(self, files: list[Path]) -> Iterator[tuple[list[Finding], NDArray[np.uint8]]]:
        """Judge files.

        Yields:
            up to `BATCH` findings in the order of the files, and the pixels of those without an
            error, uint8 (N, S, S).
        """
        for start in range(0, len(files), BATCH):
            some = files[start : start + BATCH]
            outcomes = [new_images.read(path, self.settings) for path in some]
            pixels = np.empty((0, self.info.size, self.info.size), np.uint8)
            usable = [one.pixels for one in outcomes if one.pixels is not None]
            if usable:
                pixels = np.stack(usable)
            yield list(self.judged(some, outcomes, pixels)), pixels

    def judged(
        self, files: list[Path], outcomes: list[Outcome], pixels: NDArray[np.uint8]
    ) -> Iterator[Finding]:
        """Findings on one batch."""
        probs = self.classifier.probs(pixels)
        called = self.called(probs)
        distances = self.detector.distances(pixels)
        row = -1
        for path, outcome in zip(files, outcomes, strict=True):
            # A name need not be valid UTF-8.
            name = str(path).encode(errors="replace").decode()
            if outcome.pixels is None:
                yield Finding(name, error=outcome.facts["reason"])
                continue
            row += 1
            colour = 0.0 if outcome.facts["format"] == "DICOM" else colourfulness(path)
            yield Finding(
                name,
                probabilities=dict(zip(self.info.classes, probs[row].tolist(), strict=True)),
                decision=self.info.classes[called[row]],
                distance=float(distances[row]),
                warnings=doubts(distances[row], self.detector, colour),
            )

    def called(self, probs: NDArray[np.float64]) -> NDArray[np.int64]:
        """The number of the class that each image is called."""
        if self.point is None:
            return probs.argmax(1)
        return self.point.apply_threshold(probs)


def check(names: list[str], info: ModelInfo) -> None:
    """Refuse a positive class that the user named and the network does not have.

    Raises:
        UserError: if none of them is a class.
    """
    if find_positive_class(names, info.classes) is None:
        raise UserError(
            f"--positive: '{names[0]}' is no class of this network: {', '.join(info.classes)}."
        )
