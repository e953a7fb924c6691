"""MNIST: fetched from a mirror or read from a folder, and verified byte by byte either way."""

import gzip
import hashlib
import os
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import pooch
import torch
from filelock import FileLock
from torch import Tensor

from nodelib.data.split import DataError, Split
from nodelib.files import replace

__all__ = ["MIRRORS", "mnist"]

pooch.get_logger().setLevel("WARNING")  # it would report each download on standard error

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
PATIENCE = 30.0  # seconds that a mirror may stay silent

# SHA-256 of each file as it comes out of gzip; archives of the same bytes may differ.
FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def mnist(
    folder: str | os.PathLike[str] | None = None,
    *,
    mirrors: Sequence[str] | None = None,
    device: torch.device | str | None = None,
    progress: bool = False,
) -> Split:
    """MNIST: 60,000 images of handwritten digits to train on and 10,000 to test on, 28x28 pixels.

    The four files are read from `folder`, else from the folder that NODELIB_DATA names, else from
    the cache of the user, which they are fetched to once.  Their bytes are those that LeCun,
    Cortes and Burges published, or it is an error.

    Args:
        folder: holds the four files, as they are or compressed (.gz).
        mirrors: addresses to try in turn, each with a slash at its end; `None` for `MIRRORS`.
        device: where the tensors go; the CPU if it is `None`.
        progress: show a bar for each download.

    Returns:
        A `Split` with images of shape (n, 1, 28, 28), float32 from 0 to 1.

    Raises:
        DataError: a file is missing or wrong, or no mirror gave it; the message says why, and what
            to do.
    """
    named = folder if folder is not None else os.environ.get("NODELIB_DATA")
    if named:
        contents = [_from_folder(Path(named), name) for name in FILES]
    else:
        cache = Path(pooch.os_cache("neural-odes-book")) / "mnist"
        cache.mkdir(parents=True, exist_ok=True)
        sources = MIRRORS if mirrors is None else mirrors
        contents = [_cached(cache, name, sources, progress) for name in FILES]
    split = Split(*(_tensor(content) for content in contents))
    return split if device is None else split.to(device)


def _wrong(name: str, content: bytes) -> str:
    """What is wrong with the bytes of a file; empty if they are the published ones."""
    found = hashlib.sha256(content).hexdigest()
    if found == FILES[name]:
        return ""
    return f"has {len(content):,} bytes with SHA-256 {found[:12]}…, not {FILES[name][:12]}…"


def _from_folder(folder: Path, name: str) -> bytes:
    for path in (folder / f"{name}.gz", folder / name):
        if path.is_file():
            try:
                packed = path.read_bytes()
                content = gzip.decompress(packed) if path.suffix == ".gz" else packed
            except (OSError, EOFError, zlib.error) as error:
                raise DataError(f"{path} cannot be read ({error}). Fetch it again.") from error
            wrong = _wrong(name, content)
            if wrong:
                raise DataError(f"{path} is not MNIST's: it {wrong}. Fetch it again.")
            return content
    raise DataError(
        f"There is no {name} or {name}.gz in {folder}. Name the folder that holds MNIST's four "
        "files, or unset NODELIB_DATA to have them fetched."
    )


def _cached(cache: Path, name: str, mirrors: Sequence[str], progress: bool) -> bytes:
    """The file from the cache, fetched before if need be; one process at a time."""
    path = cache / name
    with FileLock(cache / f".{name}.lock"):
        if path.is_file():
            content = path.read_bytes()
            if not _wrong(name, content):
                return content
        content = _fetched(name, mirrors, progress)
        replace(path, content)
        return content


def _fetched(name: str, mirrors: Sequence[str], progress: bool) -> bytes:
    """The file from the first mirror that gives the right bytes."""
    reasons = []
    for mirror in mirrors:
        url = f"{mirror}{name}.gz"
        with tempfile.TemporaryDirectory() as folder:
            try:
                # known_hash is None: what counts is the hash of the content, checked below
                archive = pooch.retrieve(
                    url,
                    known_hash=None,
                    fname=f"{name}.gz",
                    path=folder,
                    downloader=pooch.HTTPDownloader(progressbar=progress, timeout=PATIENCE),
                )
                content = gzip.decompress(Path(archive).read_bytes())
            except (OSError, EOFError, zlib.error, ValueError) as error:
                reasons.append(f"{url}: {error}")
                continue
        wrong = _wrong(name, content)
        if not wrong:
            return content
        reasons.append(f"{url} {wrong}")
    raise DataError(
        f"{name} could not be fetched. "
        + "; ".join(reasons)
        + ". Check the network, or put MNIST's four files into a folder and set NODELIB_DATA to it."
    )


def _tensor(content: bytes) -> Tensor:
    """The numbers of an IDX file: a head that tells the shape, then one byte for each."""
    dimensions = content[3]
    shape = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i]) for i in range(dimensions)]
    numbers = torch.frombuffer(bytearray(content[4 + 4 * dimensions :]), dtype=torch.uint8)
    if dimensions == 1:
        return numbers.to(torch.int64)
    return numbers.reshape(shape[0], 1, *shape[1:]).to(torch.float32) / 255
