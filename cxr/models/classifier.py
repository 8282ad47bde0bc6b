"""A trained network with what is known about it: load, save, predict."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cxr.models.calibration import scaled_softmax
from cxr.models.devices import default_device
from cxr.models.info import MODEL_FILE, ModelInfo, read_info
from cxr.models.networks import build_network

Images = NDArray[np.uint8]
Rows = NDArray[np.int64]


@dataclass
class Classifier:
    """A network and its description.

    Attributes:
        network: a timm network for one-channel input.
        info: class names, normalization, calibration.
    """

    network: nn.Module
    info: ModelInfo

    @classmethod
    def build(cls, info: ModelInfo, drop_rate: float = 0.0) -> "Classifier":
        """Build the network that `info` describes, with random weights."""
        network = build_network(
            *(info.timm, len(info.classes), drop_rate, info.size, info.head, info.pyramid_stride)
        )
        return cls(network, info)

    @classmethod
    def load(cls, folder: Path) -> "Classifier":
        """Read what `save` wrote, ready for inference.

        Raises:
            UserError: if the folder holds no model of this project.
        """
        info = read_info(folder)
        classifier = cls.build(info)
        classifier.network.load_state_dict(load_file(folder / MODEL_FILE))
        classifier.network.eval()
        return classifier

    def save(self, folder: Path) -> None:
        """Write `folder`/model.safetensors: the weights, and the description in the metadata."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in self.network.state_dict().items()
        }
        parameters = sum(weights.numel() for weights in self.network.parameters())
        info = asdict(replace(self.info, parameters=parameters))
        # One key only: safetensors writes several in an order that changes from run to run.
        metadata = {"model_info": json.dumps(info, sort_keys=True)}
        save_file(tensors, folder / MODEL_FILE, metadata=metadata)

    def to_input(self, images: Images) -> Tensor:
        """Turn grey images into inputs, on the network's device.

        Args:
            images: uint8 (N, S, S).

        Returns:
            float32 (N, 1, S, S), normalized, channels last.
        """
        device = next(self.network.parameters()).device
        return self.info.normalize(torch.from_numpy(np.ascontiguousarray(images)).to(device))

    def apply(self, inputs: Tensor) -> Tensor:
        """Inputs (N, 1, S, S) to logits (N, classes), with `info.test_time_flip` of two passes."""
        logits: Tensor = self.network(inputs)
        if self.info.test_time_flip:
            logits = (logits + self.network(inputs.flip(3))) / 2
        return logits

    def logits(
        self, images: Images, rows: Rows | None = None, batch_size: int = 64
    ) -> NDArray[np.float32]:
        """Apply the network in fp32, on the GPU if there is one.

        Args:
            images: uint8 (M, S, S), may be memory-mapped.
            rows: int (N,), which of the images; all if not given.

        Returns:
            float32 (N, classes), before softmax and temperature.
        """
        rows = np.arange(len(images)) if rows is None else rows
        # Outside inference_mode, where moved weights could never be trained again.
        self.network.to(default_device(), memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        # Results stay on the device until the end: fetching one waits for its batch.
        with torch.inference_mode():
            batches = [
                self.apply(self.to_input(images[rows[start : start + batch_size]])).float()
                for start in range(0, len(rows), batch_size)
            ]
        if not batches:
            return np.empty((0, len(self.info.classes)), np.float32)
        return torch.cat(batches).cpu().numpy()

    def probs(self, images: Images, rows: Rows | None = None) -> NDArray[np.float64]:
        """Calibrated class probabilities, float64 (N, classes); arguments as for `logits`."""
        return scaled_softmax(self.logits(images, rows), self.info.temperature)

    def logits_and_features(
        self, images: Images, rows: Rows | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the logits and the inputs of the network's last layer, its features.

        A pyramid classifies each cell: there the features are the mean over the cells.

        Returns:
            float32 (N, classes) and (N, features).
        """
        features: list[Tensor] = []

        def collect(_: nn.Module, inputs: tuple[Tensor]) -> None:
            of_cells = self.info.head == "pyramid"
            features.append((inputs[0].mean((1, 2)) if of_cells else inputs[0].flatten(1)).float())

        head: nn.Module = self.network.get_classifier()  # type: ignore[operator]
        handle = head.register_forward_pre_hook(collect)
        try:
            logits = self.logits(images, rows)
        finally:
            handle.remove()
        if self.info.test_time_flip:
            pairs = zip(features[::2], features[1::2], strict=True)
            features = [(image + mirror_image) / 2 for image, mirror_image in pairs]
        return logits, torch.cat(features).cpu().numpy()
