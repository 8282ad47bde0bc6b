"""Write a .npy file image by image, so that memory use does not grow with its length."""

from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray


class ArrayWriter:
    """Append uint8 images (S, S) to a .npy file of shape (number appended, S, S)."""

    def __init__(self, path: Path, size: int) -> None:
        self.size = size
        self.count = 0
        self.file = path.open("wb")
        self._write_header()

    def append(self, image: NDArray[np.uint8]) -> int:
        """Append one image and return its row."""
        self.file.write(np.ascontiguousarray(image, np.uint8).tobytes())
        self.count += 1
        return self.count - 1

    def _write_header(self) -> None:
        # numpy reserves space in the header, so that the first dimension can grow.
        shape = (self.count, self.size, self.size)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(self.file, header)

    def __enter__(self) -> "ArrayWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.seek(0)
        self._write_header()
        self.file.close()
