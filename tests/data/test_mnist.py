"""MNIST from servers that fail in every way, from folders, and by two processes at once.

The servers are local, and the files are small stand-ins with their own hashes; the real files are
tested where NODELIB_DATA names them.
"""

import gzip
import hashlib
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path

import pytest
import torch

from nodelib.data import DataError, mnist

module = import_module("nodelib.data.mnist")


def idx(*shape):
    """An IDX file of bytes that count up, as its inventor describes it."""
    count = 1
    for size in shape:
        count *= size
    head = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
    return head + bytes(i % 10 for i in range(count))


CONTENT = {
    "train-images-idx3-ubyte": idx(6, 4, 3),
    "train-labels-idx1-ubyte": idx(6),
    "t10k-images-idx3-ubyte": idx(2, 4, 3),
    "t10k-labels-idx1-ubyte": idx(2),
}
HASHES = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}


class Server(ThreadingHTTPServer):
    """Serves CONTENT at /name.gz, in the way that `mood` tells."""

    daemon_threads = True

    def __init__(self, mood):
        super().__init__(("127.0.0.1", 0), Handler)
        self.mood = mood
        self.asked = []
        self.release = threading.Event()
        self.elsewhere = ""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append(self.path)
        packed = gzip.compress(CONTENT[self.path[1:].removesuffix(".gz")])
        if server.mood == "absent":
            return self.send_error(404)
        if server.mood == "redirects":
            self.send_response(302)
            self.send_header("Location", server.elsewhere + self.path[1:])
            return self.end_headers()
        if server.mood == "corrupts":
            packed = packed[:40] + bytes([packed[40] ^ 255]) + packed[41:]
        if server.mood == "answers with a page":
            packed = b"<html>Please log in to the network.</html>"
        if server.mood == "has other data":
            packed = gzip.compress(b"something else")
        self.send_response(200)
        self.send_header("Content-Length", str(len(packed)))
        self.end_headers()
        if server.mood in ("truncates", "stalls"):
            self.wfile.write(packed[:30])
            self.wfile.flush()
            if server.mood == "stalls":
                server.release.wait(20)
            return None
        self.wfile.write(packed)
        return None

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(mood="well"):
        servers.append(Server(mood))
        return servers[-1]

    yield start
    for server in servers:
        server.release.set()
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    monkeypatch.delenv("NODELIB_DATA", raising=False)
    monkeypatch.setattr(module, "FILES", HASHES)
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    monkeypatch.setattr(module.pooch, "os_cache", lambda name: str(tmp_path / "cache" / name))
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)


def cached(tmp_path):
    """The names in the cache; the files of locks left out."""
    folder = tmp_path / "cache" / "neural-odes-book" / "mnist"
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))


def test_it_is_fetched_once_and_read_from_the_cache_then(serve, tmp_path):
    server = serve()
    first = mnist(mirrors=[server.address])
    assert len(server.asked) == 4
    assert cached(tmp_path) == sorted(CONTENT)
    again = mnist(mirrors=["http://127.0.0.1:1/"])
    assert torch.equal(first.train_images, again.train_images)


def test_images_and_labels_have_their_shapes_and_values(serve):
    split = mnist(mirrors=[serve().address])
    assert split.train_images.shape == (6, 1, 4, 3)
    assert split.train_images.dtype == torch.float32
    expected = torch.arange(72).remainder(10).reshape(6, 1, 4, 3) / 255
    assert torch.equal(split.train_images, expected)
    assert split.train_labels.tolist() == list(range(6))
    assert split.test_images.shape == (2, 1, 4, 3)
    assert split.test_labels.dtype == torch.int64


MOODS = {
    "absent": "404",
    "truncates": "",
    "stalls": "timed out",
    "corrupts": "",
    "answers with a page": "gzip",
    "has other data": "14 bytes with SHA-256",
}


@pytest.mark.parametrize("mood", MOODS)
def test_a_mirror_that_fails_is_named_and_the_second_is_used(serve, tmp_path, mood):
    bad, good = serve(mood), serve()
    with pytest.raises(DataError) as raised:
        mnist(mirrors=[bad.address])
    said = str(raised.value)
    assert said.startswith("train-images-idx3-ubyte could not be fetched.")
    assert bad.address in said
    assert MOODS[mood] in said
    assert "set NODELIB_DATA" in said
    assert cached(tmp_path) == []
    assert mnist(mirrors=[bad.address, good.address]).train_images.shape == (6, 1, 4, 3)
    assert cached(tmp_path) == sorted(CONTENT)


def test_a_mirror_may_redirect(serve):
    here, there = serve("redirects"), serve()
    here.elsewhere = there.address
    assert len(mnist(mirrors=[here.address]).test_labels) == 2
    assert len(there.asked) == 4


def test_no_server_at_all_is_an_error_that_helps():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        with pytest.raises(DataError, match="Check the network, or put MNIST's four files"):
            mnist(mirrors=[address, address])


def test_a_wrong_byte_in_the_cache_is_fetched_again(serve, tmp_path):
    server = serve()
    mnist(mirrors=[server.address])
    path = tmp_path / "cache" / "neural-odes-book" / "mnist" / "t10k-labels-idx1-ubyte"
    path.write_bytes(b"x" + path.read_bytes()[1:])
    mnist(mirrors=[server.address])
    assert path.read_bytes() == CONTENT[path.name]
    assert len(server.asked) == 5


def folder_with(tmp_path, pack):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, content in CONTENT.items():
        if pack:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("pack", [True, False])
def test_a_folder_is_read_as_it_is_and_nothing_is_fetched(tmp_path, monkeypatch, pack):
    folder = folder_with(tmp_path, pack)
    assert len(mnist(folder, mirrors=[]).train_labels) == 6
    monkeypatch.setenv("NODELIB_DATA", str(folder))
    assert len(mnist(mirrors=[]).train_labels) == 6
    assert not (tmp_path / "cache").exists()


def test_a_folder_with_a_wrong_byte_is_refused(tmp_path):
    folder = folder_with(tmp_path, pack=False)
    path = folder / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte is not MNIST's: it has 40 bytes"):
        mnist(folder)


def test_a_folder_with_half_a_file_is_refused(tmp_path):
    folder = folder_with(tmp_path, pack=True)
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz cannot be read"):
        mnist(folder)


def test_a_folder_without_the_files_is_named(tmp_path):
    with pytest.raises(DataError, match=f"no train-images-idx3-ubyte .* in {tmp_path}"):
        mnist(tmp_path)


TOGETHER = """
import sys
sys.path.insert(0, sys.argv[1])
import test_mnist as t
t.module.FILES = t.HASHES
t.module.pooch.os_cache = lambda name: sys.argv[2]
assert len(t.mnist(mirrors=[sys.argv[3]]).train_labels) == 6
"""


def test_two_processes_at_once_fetch_each_file_once(serve, tmp_path):
    server = serve()
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", TOGETHER, here, str(tmp_path / "both"), server.address]
    both = [subprocess.Popen(command, env=os.environ) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert len(server.asked) == 4


@pytest.mark.skipif("NODELIB_DATA" not in os.environ, reason="NODELIB_DATA names no folder")
def test_the_real_files(monkeypatch):
    monkeypatch.undo()
    split = mnist()
    assert split.train_images.shape == (60_000, 1, 28, 28)
    assert split.test_images.shape == (10_000, 1, 28, 28)
    assert split.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert split.test_labels.bincount().tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    assert 0 <= float(split.train_images.min()) < float(split.train_images.max()) <= 1
