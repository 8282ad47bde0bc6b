"""A small CNN, of the kind that many notebooks trained from scratch on COVID-19 images.

It is registered with timm, so that it is built, trained, saved and explained like any other
network.
"""

from typing import Any

from timm.layers import SelectAdaptivePool2d
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn


class SimpleCnn(nn.Module):
    """Four blocks of convolution, batch norm, ReLU and max-pooling; a dense layer with dropout.

    Attributes:
        feature_info: for timm, stride and channels of each block's output.
    """

    def __init__(
        self,
        in_chans: int = 3,
        num_classes: int = 1000,
        drop_rate: float = 0.5,
        widths: tuple[int, ...] = (32, 64, 128, 128),
        hidden: int = 128,
        **_: Any,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.num_features = widths[-1]
        self.head_hidden_size = hidden
        blocks = [
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
                # Padded, so that cells stay where they are in the image.
                nn.MaxPool2d(3, stride=2, padding=1),
            )
            for inputs, outputs in zip((in_chans, *widths), widths, strict=False)
        ]
        self.features = nn.Sequential(*blocks)
        self.feature_info = [
            {"module": f"features.{index}", "reduction": 2 ** (index + 1), "num_chs": width}
            for index, width in enumerate(widths)
        ]
        self.global_pool = SelectAdaptivePool2d(pool_type="avg", flatten=True)
        self.dense = nn.Sequential(nn.Linear(widths[-1], hidden), nn.ReLU(), nn.Dropout(drop_rate))
        self.classifier: nn.Module = nn.Linear(hidden, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                # He et al. 2015.
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Group parameters into layers for timm: each block, and the dense layer."""
        return {
            "stem": r"^features\.0",
            "blocks": [(r"^features\.(\d+)", None), (r"^dense", (100,))],
        }

    def get_classifier(self) -> nn.Module:
        """Return the last layer."""
        return self.classifier

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, 128, H/16, W/16)."""
        features: Tensor = self.features(x)
        return features

    def forward_intermediates(
        self, x: Tensor, indices: list[int], intermediates_only: bool = True
    ) -> list[Tensor]:
        """Return the outputs of some blocks, as timm's networks do."""
        outputs: list[Tensor] = []
        for block in self.features:
            x = block(x)
            outputs.append(x)
        return [outputs[index] for index in indices]

    def prune_intermediate_layers(self, indices: list[int], prune_head: bool = True) -> list[int]:
        """Remove what comes after the last block; called where blocks' outputs are used."""
        self.dense = nn.Sequential()
        self.classifier = nn.Sequential()
        return indices

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Features to logits (N, num_classes), or to the dense layer's output (N, 128)."""
        hidden: Tensor = self.dense(self.global_pool(x))
        logits: Tensor = self.classifier(hidden)
        return hidden if pre_logits else logits

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))


default_cfgs = generate_default_cfgs(
    {"simple_cnn": {"first_conv": "features.0.0", "classifier": "classifier"}}
)


@register_model
def simple_cnn(pretrained: bool = False, **options: Any) -> SimpleCnn:
    """Build the network; called by timm. There are no pretrained weights."""
    model: SimpleCnn = build_model_with_cfg(
        SimpleCnn, "simple_cnn", pretrained, pretrained_strict=False, **options
    )
    return model
