"""Process images in parallel (processes, threads or a cluster), with a cache of earlier results."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd
from joblib import Parallel, delayed, parallel_config
from tqdm import tqdm

from cxr.images.cache import Store
from cxr.images.process import Outcome, process_block
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import Prepare

BLOCK = 32
"""Images that a worker processes at a time."""


def outcomes(index: pd.DataFrame, raw: Path, settings: Prepare, path: Path) -> Iterator[Outcome]:
    """Process the index on all cores; outcomes are in its order.

    Args:
        path: of the store of decoded images.
    """
    used: set[bytes] = set()
    with ExitStack() as stack:
        store = stack.enter_context(Store(path, settings.image_size))
        bar = stack.enter_context(tqdm(total=len(index), unit="image", desc="decode", disable=None))
        stack.enter_context(parallel_config(backend(settings.backend, stack)))
        known = None if store.empty() else path
        work = (
            delayed(process_block)(rows, raw.resolve(), settings, known) for rows in blocks(index)
        )
        for block in Parallel(n_jobs=-1, return_as="generator")(work):
            files = {name: file for outcome in block for name, file in outcome.files.items()}
            store.add({name: file for name, file in files.items() if file})
            used.update(bytes.fromhex(name) for name in files)
            bar.update(len(block))
            yield from block
        store.prune(name.hex() for name in used)


def blocks(index: pd.DataFrame) -> Iterator[list[dict[Any, Any]]]:
    """The rows of the index in blocks."""
    for start in range(0, len(index), BLOCK):
        yield index.iloc[start : start + BLOCK].to_dict("records")


def backend(name: str, stack: ExitStack) -> str:
    """Prepare a joblib backend, and return its name.

    Raises:
        UserError: if it is dask and dask is not installed.
    """
    if name == "dask":
        try:
            from dask.distributed import Client
        except ImportError as error:
            raise UserError(
                "params.yaml: prepare.backend: dask is not installed: pip install distributed"
            ) from error
        # joblib uses the current client. Without an address, dask starts a cluster on this machine.
        stack.enter_context(Client(os.environ.get("DASK_SCHEDULER_ADDRESS")))
    return name
