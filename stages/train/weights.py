"""Initial weights of a network: random, or those of another one that fit."""

from dataclasses import replace
from pathlib import Path

from torch import nn

from cxr.models.classifier import Classifier
from cxr.models.info import ModelInfo
from cxr.models.networks import build_network
from cxr.models.pyramid import FeaturePyramid
from cxr.pipeline.errors import UserError
from stages.train.convert_weights import (
    StateDict,
    compatible_shapes,
    fit_names,
    float_tensors,
    input_channels,
    rgb_to_grey,
    stem,
)
from stages.train.pretrained import (
    HUB,
    hub_weights,
    imagenet_weights,
    read_normalization,
    read_weights,
)


def load_initial_weights(classifier: Classifier, weights: str) -> None:
    """Load the weights that a recipe asks for into a randomly initialized network.

    The network is changed in place. Its description gets the origin of the weights and the
    normalization that they expect.

    Args:
        weights: scratch, imagenet, hf-hub:owner/name or the path of a .safetensors or .pth file.

    Raises:
        UserError: if the weights are not available or do not fit the network.
    """
    if weights == "scratch":
        return
    info = classifier.info
    if weights == "imagenet":
        pretrained = imagenet_weights(info)
    elif weights.startswith(HUB):
        pretrained = hub_weights(weights)
    else:
        pretrained = read_weights(Path(weights))
    network, own = classifier.network, pretrained.info
    if own is not None and own.head == "pyramid":
        check_same_pyramid(own, info, weights)
    elif isinstance(network, FeaturePyramid):
        # Weights for the whole timm network, which is checked against them.
        network = build_network(info.timm, len(info.classes), size=info.size)
    state = fit_names(pretrained.state, network)
    if own is not None and own.classes != info.classes:
        head = head_name(network)
        state = {name: state[name] for name in state if not name.startswith(head)}
    check_match(network, state, weights, info.timm)
    channels = input_channels(state, network)
    if own is not None:
        mean, std = own.mean, own.std
    else:
        normalization = read_normalization(pretrained, weights, channels)
        if channels == 3:
            state, mean, std = rgb_to_grey(state, network, normalization)
        elif normalization is not None:
            mean, std = (values[0] for values in normalization)
        else:
            mean, std = info.mean, info.std
    load_matching(network, state, weights, pretrained.origin)
    if network is not classifier.network:
        backbone: nn.Module = classifier.network.backbone  # type: ignore[assignment]
        backbone.load_state_dict(network.state_dict(), strict=False)
        print("head: pyramid: the last stage is not used, and the pyramid is initialized randomly")
    classifier.info = replace(info, mean=mean, std=std, weights=pretrained.origin)


def check_same_pyramid(own: ModelInfo, info: ModelInfo, weights: str) -> None:
    """Check that a network gets the weights of one with the same feature pyramid.

    Args:
        own: of the network that the weights were trained in.
        info: of the one that gets them.
        weights: their name, for the error message.

    Raises:
        UserError: if it has another head, or a pyramid of another stride.
    """
    if info.head != "pyramid":
        raise UserError(
            f"{weights} was trained with head: pyramid, and lacks the network's last stage: set "
            "head to pyramid in the recipe, or use other weights."
        )
    if own.pyramid_stride != info.pyramid_stride:
        raise UserError(
            f"{weights} was trained with pyramid_stride: {own.pyramid_stride}: set it so under "
            f"architectures (now {info.pyramid_stride}), or use other weights."
        )


def differences(network: nn.Module, state: StateDict) -> tuple[list[str], list[str]]:
    """Compare weights with a network. Their stem may be one for RGB.

    Returns:
        names of the network's tensors that they lack, and of theirs that it has no place for.
    """
    wanted, first = float_tensors(network), f"{stem(network)[0]}.weight"
    fitting = {
        key
        for key, ours in wanted.items()
        if (theirs := state.get(key)) is not None
        and (theirs.shape == ours.shape or (key == first and compatible_shapes(theirs, ours)))
    }
    lacking = [key for key in wanted if key not in fitting]
    unused = [key for key in state if key not in fitting and "num_batches_tracked" not in key]
    return lacking, unused


def check_match(network: nn.Module, state: StateDict, weights: str, name: str) -> None:
    """Check that weights fit a network.

    Args:
        weights: their name, for the error message.
        name: of the network, likewise.

    Raises:
        UserError: if layers other than the last one differ.
    """
    wanted, (random, unused) = float_tensors(network), differences(network, state)
    head, parts = head_name(network), {part for part, _ in network.named_children()}
    lacking = [key for key in random if not key.startswith(head)]
    # Further blocks, for example. Names that do not start with a part of the network are ignored.
    surplus = [key for key in unused if key.split(".")[0] in parts and not key.startswith(head)]
    if lacking or surplus:
        lacks = f" It lacks {describe_tensors(lacking[:2], wanted)}." if lacking else ""
        others = surplus or unused
        has = f" It has {describe_tensors(others[:2], state)}." if others else ""
        raise UserError(
            f"{weights} matches {len(wanted) - len(random)} of the {len(wanted)} tensors of "
            f"{name}: these are the weights of another network (params.yaml: model), or incomplete."
            f"{lacks}{has}"
        )


def load_matching(network: nn.Module, state: StateDict, weights: str, origin: str) -> None:
    """Load the tensors that match, and print which ones do not.

    Args:
        state: of a grey network.
        weights: their name, for the error message.
        origin: of the weights, as printed.

    Raises:
        UserError: if a tensor is not finite. In training, it would look like a rate too high.
    """
    wanted, (random, unused) = float_tensors(network), differences(network, state)
    matching = {key: state[key] for key in wanted if key not in random}
    for key, tensor in matching.items():
        if not tensor.isfinite().all():
            raise UserError(
                f"{weights} contains NaN or infinity in {key}: use other weights, such as those "
                "of an earlier epoch."
            )
    network.load_state_dict(matching, strict=False)
    print(
        f"weights from {origin}: {len(matching)} of {len(wanted)} tensors; "
        f"initialized randomly: {', '.join(random) or 'none'}; "
        f"not used: {', '.join(unused) or 'none'}"
    )


def describe_tensors(names: list[str], state: StateDict) -> str:
    """Describe tensors by name and shape, such as conv1.weight (64 x 1 x 7 x 7)."""
    shapes = {name: " x ".join(map(str, state[name].shape)) for name in names}
    return ", ".join(f"{name} ({shape})" for name, shape in shapes.items())


def head_name(network: nn.Module) -> str:
    """Return the prefix of the names of the last layer's tensors."""
    head: nn.Module = network.get_classifier()  # type: ignore[operator]
    return next(f"{name}." for name, module in network.named_modules() if module is head)
