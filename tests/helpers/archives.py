"""Archives of small files."""

import io
import zipfile

Files = dict[str, bytes]

GOOD: Files = {"A/1.png": b"one", "B/2.png": b"two"}


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()
