"""Read images in class folders: find which folders are splits, classes and masks, at any depth."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pandas as pd

from cxr.pipeline.errors import UserError
from stages.download.listing import posix_files, subfolders

# Training_set, val-images, TEST, ...
SPLIT_FOLDER = re.compile(
    r"(?P<split>train|val|test|valid|training|validation|testing)"
    r"([ _-]?(set|data|dataset|images?|split))?"
)
SPLIT_NAMES = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}
FOLD_FOLDER = re.compile(r"(cv[ _-]?)?fold[ _-]?\d+")
MASK_FOLDER = re.compile(r"((?P<of>[a-z]+)[ _-]*)?masks?")
# Folders between a class and its files.
IMAGE_FOLDER = re.compile(r"(x[ _-]?rays?|images?|imgs?)")

# Documents, code and arrays, which are often beside images.
NON_IMAGE_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("bib", "cff", "cfg", "css", "csv", "doc", "docx", "h5", "html", "ipynb", "js", "json"),
        *("dvc", "log", "m", "md", "npy", "npz", "pdf", "pkl", "pt", "pth", "py", "pyc", "r"),
        *("rst", "safetensors", "sh", "tex", "toml", "tsv", "txt", "xls", "xlsx", "xml", "yaml"),
        *("yml",),
    )
)
IMAGE_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("avif", "bmp", "dcm", "dicom", "gif", "ima", "jp2", "jpeg", "jpg", "pgm", "png", "pnm"),
        *("ppm", "tif", "tiff", "webp"),
    )
)

Parts = tuple[str, ...]


def split_name(name: str) -> str:
    """train, val or test if that is what a name means, else ""."""
    match = SPLIT_FOLDER.fullmatch(name.strip().lower())
    return SPLIT_NAMES.get(match["split"], match["split"]) if match else ""


def class_folders(root: Path) -> pd.DataFrame:
    """Read `[split/]class/**/file` or `class/split/file`, below any number of other folders.

    Masks, in folders such as `masks` or `lung masks`, are paired with images by name. Files
    outside the class folders are unlabelled, except documents and code, which are left out.

    Returns:
        columns image, label, official_split and mask.

    Raises:
        UserError: if there are fewer than two classes, a class without files, or several ways to
            read the folders.
    """
    names = posix_files(root, root)
    files = [
        parts
        for parts in (PurePosixPath(name).parts for name in names)
        if PurePosixPath(parts[-1]).suffix.lower() not in NON_IMAGE_SUFFIXES
    ]
    images = [parts for parts in files if not in_mask_folder(parts)]
    top, order = find_layout([parts for parts in images if looks_like_image(parts)], root)
    check_empty_classes(root.joinpath(*top), order)
    places = [place(parts, top, order) for parts in images]
    table = pd.DataFrame(places, columns=["label", "official_split"], dtype=str)
    # A folder without any image suffix is not a class: its files are unlabelled.
    real = {
        label for parts, (label, _) in zip(images, places, strict=True) if looks_like_image(parts)
    }
    table.loc[~table["label"].isin(real), ["label", "official_split"]] = ""
    table.insert(0, "image", ["/".join(parts) for parts in images])
    masks = lung_masks([parts for parts in files if in_mask_folder(parts)])
    table["mask"] = [masks.get(mask_key(parts), "") for parts in images]
    labels = sorted(set(table["label"]) - {""})
    if len(labels) < 2:
        found = counted(folder_of(parts) for parts in images if looks_like_image(parts))
        raise UserError(
            f"{root}: two or more class folders with images are needed. Found, with number of "
            f"images: {found or 'none'}. Put the images into one sub-folder for each class, with "
            "train/, val/ and test/ above them if the split is given; or give the label of each "
            "image in a table index.csv."
        )
    return table


def looks_like_image(parts: Parts) -> bool:
    """Whether a file's suffix is that of an image; DICOM files often have none."""
    suffix = PurePosixPath(parts[-1]).suffix.lower()
    return suffix in IMAGE_SUFFIXES or not suffix[1:] or suffix[1:].isdigit()


def in_mask_folder(parts: Parts) -> bool:
    """Whether a file lies in a folder of masks."""
    return any(MASK_FOLDER.fullmatch(part.lower()) for part in parts[:-1])


def mask_key(parts: Parts) -> Parts:
    """A key that an image and its mask share: their folders and name."""
    folders = [
        part
        for part in parts[:-1]
        if not MASK_FOLDER.fullmatch(part.lower()) and not IMAGE_FOLDER.fullmatch(part.lower())
    ]
    return (
        *folders,
        re.sub(r"[ _-]*(lung[ _-]*)?mask$", "", PurePosixPath(parts[-1]).stem.lower()),
    )


def lung_masks(masks: list[Parts]) -> dict[Parts, str]:
    """The path of each lung mask by `mask_key`; masks of other organs are left out."""
    found = {}
    for parts in masks:
        of = {match["of"] for part in parts if (match := MASK_FOLDER.fullmatch(part.lower()))}
        if of <= {None, "lung", "lungs"}:
            found[mask_key(parts)] = "/".join(parts)
    return found


def find_layout(images: list[Parts], root: Path) -> tuple[Parts, str]:
    """Find the folder that holds the classes or splits, and the order of the two below it.

    Returns:
        the folder as parts of a path below `root`; and the order: class, split/class or
        class/split.

    Raises:
        UserError: if there are several ways to read the folders.
    """
    split_parents = {
        parts[:depth]
        for parts in images
        for depth in range(len(parts) - 1)
        if split_name(parts[depth])
    }
    if split_parents:
        depth = min(map(len, split_parents))
        shallowest = sorted(parent for parent in split_parents if len(parent) == depth)
        if len(shallowest) == 1:
            return shallowest[0], "split/class"
        inside = [parts for parts in images if parts[:depth] in shallowest]
        if len({parent[:-1] for parent in shallowest}) == 1 and all(
            len(parts) == depth + 2 for parts in inside
        ):
            return shallowest[0][:-1], "class/split"
        raise ambiguous(root, shallowest[0][:-1], images, "several folders hold a split")
    top: Parts = ()
    while len(children := folders_below(top, images)) == 1:
        top = (*top, children[0])
    if not children:
        return top, "class"
    if all(FOLD_FOLDER.fullmatch(child.lower()) for child in children):
        raise ambiguous(root, top, images, "these look like folds")
    below = [
        {name for name in folders_below((*top, child), images) if not IMAGE_FOLDER.fullmatch(name)}
        for child in children
    ]
    if len(children) > 1 and len(below[0]) > 1 and all(names == below[0] for names in below):
        raise ambiguous(root, top, images, "they all hold the same sub-folders")
    return top, "class"


def folders_below(top: Parts, images: list[Parts]) -> list[str]:
    """The names of the folders in a folder that hold images, at any depth."""
    depth = len(top)
    return sorted(
        {parts[depth] for parts in images if parts[:depth] == top and len(parts) > depth + 1}
    )


def ambiguous(root: Path, top: Parts, images: list[Parts], why: str) -> UserError:
    """The error for folders that can be read in several ways, with the folders and counts."""
    depth = len(top)
    shown = counted(
        "/".join(parts[depth : min(depth + 2, len(parts) - 1)])
        for parts in images
        if parts[:depth] == top and len(parts) > depth + 1
    )
    return UserError(
        f"{root.joinpath(*top)}: can't tell which folders are the classes: {why}. Found, with "
        f"number of images: {shown}. Set `inbox:` in params.yaml to the folder whose sub-folders "
        "are the classes (or train, val and test), or give each image's label in index.csv."
    )


def counted(folders: Iterable[str]) -> str:
    """The first dozen of some folders, with how often each occurs."""
    counts = Counter(folders)
    return ", ".join(f"{name}/ ({count})" for name, count in sorted(counts.items())[:12])


def folder_of(parts: Parts) -> str:
    """The path of a file's folder."""
    return "/".join(parts[:-1]) or "."


def place(parts: Parts, top: Parts, order: str) -> tuple[str, str]:
    """The label and the official split of a file, by its folders; "" outside the class folders."""
    inner = parts[len(top) : -1]
    if parts[: len(top)] != top or len(inner) < len(order.split("/")):
        return "", ""
    if order == "class":
        return inner[0], ""
    label, split = (inner[1], inner[0]) if order == "split/class" else (inner[0], inner[1])
    return (label, split_name(split)) if split_name(split) else ("", "")


def check_empty_classes(top: Path, order: str) -> None:
    """Raise a UserError if a class folder holds no files at all."""
    inside = subfolders(top)
    if order == "split/class":
        splits = [folder for folder in inside if split_name(folder.name)]
        inside = [path for folder in splits for path in subfolders(folder)]
    for folder in inside:
        if not any(path.is_file() for path in folder.rglob("*")):
            raise UserError(f"{folder}: this class has no images. Add images or remove the folder.")
