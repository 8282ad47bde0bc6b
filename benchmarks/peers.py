"""Training recipes of other projects, for benchmarks/recipes.py.

    python benchmarks/peers.py fastai FOLDER --epochs 20 --seed 0

It imports nothing of this project, so that it runs in an environment that has only fastai. FOLDER
holds pixels.npy, images.csv (`row`, `split`, `label`: class index), weights.safetensors (timm's
ImageNet weights) and network.txt (timm's name). It writes the probabilities of the test images, in
the order of the table, to <recipe>.npy."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import timm
import torch
from safetensors.torch import load_file

MEAN, STD = timm.data.IMAGENET_DEFAULT_MEAN, timm.data.IMAGENET_DEFAULT_STD


def main() -> None:
    """Read the command line, train, predict the test images."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("recipe", choices=["fastai", "sgd"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    np.random.seed(options.seed)
    table = pd.read_csv(options.folder / "images.csv")
    pixels = np.load(options.folder / "pixels.npy")
    train = fastai if options.recipe == "fastai" else sgd
    probs = train(options.folder, table, pixels, options.epochs)
    np.save(options.folder / f"{options.recipe}.npy", probs)


def fastai(folder: Path, table: pd.DataFrame, pixels: Any, epochs: int) -> Any:
    """fastai's `vision_learner(...).fine_tune(epochs)`, with `aug_transforms()` and its defaults.

    Returns:
        float (N, classes), of the test images.
    """
    from fastai.vision.all import (  # type: ignore[import-not-found, unused-ignore]
        CategoryBlock,
        DataBlock,
        ImageBlock,
        IndexSplitter,
        Normalize,
        aug_transforms,
        set_seed,
        vision_learner,
    )

    set_seed(torch.initial_seed() % 2**32, reproducible=True)
    known = table[table["split"] != "test"].reset_index(drop=True)
    loaders = DataBlock(
        (ImageBlock, CategoryBlock(vocab=sorted(table["label"].unique()))),
        get_x=lambda image: grey_to_rgb(pixels[image["row"]]),
        get_y=lambda image: image["label"],
        splitter=IndexSplitter(known.index[known["split"] == "val"]),
        # What vision_learner adds where it loads the weights itself.
        batch_tfms=[*aug_transforms(), Normalize.from_stats(MEAN, STD)],
    ).dataloaders(known, bs=64, num_workers=0)
    # The same weights as for the others, not those of timm's hub.
    learner = vision_learner(loaders, (folder / "network.txt").read_text(), pretrained=False)
    body = learner.model[0].model
    body.load_state_dict(load_file(folder / "weights.safetensors"), strict=False)
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(epochs)
        test = loaders.test_dl(table[table["split"] == "test"])
        probs, _ = learner.get_preds(dl=test)
    return probs.numpy()


def sgd(folder: Path, table: pd.DataFrame, pixels: Any, epochs: int) -> Any:
    """torchvision's references/classification: plain SGD, with a cosine instead of steps.

    Its batches of 32, momentum, weight decay, random resized crops and flips. Its learning rate of
    0.1 is for 8 GPUs: an eighth of it for one.

    Returns:
        float (N, classes), of the test images.
    """
    from torchvision.transforms import v2

    classes = table["label"].nunique()
    network: Any = timm.create_model((folder / "network.txt").read_text(), num_classes=classes)
    weights = load_file(folder / "weights.safetensors")
    head = network.default_cfg["classifier"]
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith(head)}
    network.load_state_dict(kept, strict=False)
    size = pixels.shape[1]
    normalize = v2.Normalize(MEAN, STD)
    augment = v2.Compose([v2.RandomResizedCrop(size, antialias=True), v2.RandomHorizontalFlip()])
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1 / 8, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    training = table[table["split"] == "train"]
    rows, labels = training["row"].to_numpy(), torch.from_numpy(training["label"].to_numpy())

    def inputs(rows: Any) -> torch.Tensor:
        return torch.from_numpy(pixels[rows])[:, None].expand(-1, 3, -1, -1) / 255

    for _ in range(epochs):
        network.train()
        for batch in torch.randperm(len(rows)).split(32):
            if len(batch) < 2:
                continue
            images = torch.stack([augment(image) for image in inputs(rows[batch])])
            logits = network(normalize(images))
            loss = torch.nn.functional.cross_entropy(logits, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    network.eval()
    tested = table[table["split"] == "test"]["row"].to_numpy()
    with torch.inference_mode():
        parts = [
            network(normalize(inputs(part))).softmax(1)
            for part in np.array_split(tested, len(tested) // 32 + 1)
        ]
    return torch.cat(parts).numpy()


def grey_to_rgb(image: Any) -> Any:
    """The same grey in three channels, uint8 (H, W, 3)."""
    return np.repeat(image[:, :, None], 3, axis=2)


if __name__ == "__main__":
    main()
