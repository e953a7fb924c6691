"""Writing a file so that nobody ever sees half of it."""

import os
import tempfile
from pathlib import Path

__all__ = ["replace"]


def replace(path: Path, content: bytes) -> None:
    """Put a file in the place of another, or in an empty place, at once and on the disk."""
    folder, prefix = path.parent, f".{path.stem}."
    with tempfile.NamedTemporaryFile(dir=folder, prefix=prefix, delete=False) as half:
        try:
            half.write(content)
            half.flush()
            os.fsync(half.fileno())
            os.chmod(half.name, 0o644)
            os.replace(half.name, path)
        except BaseException:
            Path(half.name).unlink(missing_ok=True)
            raise
