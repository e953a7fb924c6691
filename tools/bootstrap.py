"""Make or refresh `.venv`: the versions of requirements.lock, and this package in editable form.

Run by the Makefile before every target.  It needs the standard library only, and takes a moment
when nothing has changed: a stamp, written last, holds what `.venv` was made from.  An install that
was cut short is therefore taken up again by the next call.  A second call waits for the first.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed.stamp"
LOG = VENV / "install.log"
LOCK = ROOT / "build" / "install.lock"  # not in .venv, which may have to be made anew
OLDEST = (3, 11)
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"

# Whether all files of a package are as its record says.  The last thing that pip does is to add its
# INSTALLER to the record: without it the files are there, but perhaps not the commands in bin.
WHOLE = """
def whole(dist):
    listed = dist.files or []
    return any(file.name == "INSTALLER" for file in listed) and all(
        file.locate().exists() and file.size in (None, file.locate().stat().st_size)
        for file in listed
        if file.suffix != ".pyc"
    )
"""

# Prints the packages that are not whole, and removes their metadata, so that pip installs them
# again: the leftovers of an install that was cut short.
REPAIR = f"""{WHOLE}
import shutil
from importlib.metadata import distributions
for dist in list(distributions()):
    folder = getattr(dist, "_path", None)
    if not whole(dist) and folder is not None and folder.suffix == ".dist-info":
        print(folder.name)
        shutil.rmtree(folder)
"""

# Fails in a Python that is too old, or whose pip is not there or not whole.
WORKS = f"""{WHOLE}
import sys
from importlib.metadata import distribution
sys.exit(sys.version_info < {OLDEST} or not whole(distribution("pip")))
"""


def interpreter() -> str:
    """Return a Python that is new enough: the one that runs this, or a newer one on the PATH."""
    if sys.version_info >= OLDEST:
        return sys.executable
    for minor in (13, 12, 11):
        found = shutil.which(f"python3.{minor}")
        if found:
            return found
    have = ".".join(str(part) for part in sys.version_info[:3])
    sys.exit(
        f"Python {have} is too old: this book needs Python 3.11 or newer. "
        "Install one, then name it: make PYTHON=python3.12 book"
    )


def fingerprint() -> str:
    """Return a digest of all that `.venv` is made from, its own place included."""
    digest = hashlib.sha256(str(ROOT).encode())
    for name in ("requirements.lock", "pyproject.toml", "tools/bootstrap.py"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def in_venv(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the Python of `.venv` and return what it said."""
    command = [str(VENV / "bin" / "python"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def venv_works() -> bool:
    """Tell whether `.venv` has a Python that is new enough and a whole pip."""
    if not (VENV / "bin" / "python").exists():
        return False
    return in_venv("-c", WORKS).returncode == 0


def take_lock() -> int:
    """Wait for any other install into `.venv` to end; return the open file that holds off the next.

    The lock is free again when this process and the pip that it started have ended.
    """
    LOCK.parent.mkdir(exist_ok=True)
    lock = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    os.set_inheritable(lock, True)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Waiting for another install into .venv to end", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def up_to_date(wanted: str) -> bool:
    """Tell whether `.venv` was made, to its end, from what is `wanted`."""
    return STAMP.exists() and STAMP.read_text() == wanted and venv_works()


def make_venv() -> None:
    """Make an empty `.venv`, in place of one that does not work."""
    python = interpreter()
    probe = subprocess.run(
        [python, "-c", "import ensurepip, venv"], capture_output=True, check=False
    )
    if probe.returncode != 0:
        sys.exit(
            f"{python} cannot make a virtual environment: its venv module is missing. "
            "On Debian or Ubuntu: apt-get install python3-venv"
        )
    print("Installing into .venv, about 2 minutes", flush=True)
    made = subprocess.run([python, "-m", "venv", "--clear", str(VENV)], check=False)
    if made.returncode != 0:
        sys.exit(f"{python} -m venv {VENV} failed; its message is above.")


def pip(*arguments: str) -> bool:
    """Run pip in `.venv`, its output to the log; tell whether it succeeded."""
    command = [str(VENV / "bin" / "python"), "-m", "pip", *arguments]
    quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    with LOG.open("a", encoding="utf-8") as log:
        log.write("\n$ " + " ".join(command) + "\n")
        log.flush()
        # With close_fds=False pip holds the lock too: it may outlive a call that is killed.
        done = subprocess.run(
            [*command, *quiet], stdout=log, stderr=log, check=False, close_fds=False
        )
    return done.returncode == 0


def must(done: bool, what: str) -> None:
    """Stop with the end of pip's own words unless `done`."""
    if done:
        return
    tail = LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
    print("\n".join(tail), file=sys.stderr)
    sys.exit(
        f"{what} failed; pip's last words are above, all of them in {LOG}. "
        "The same command goes on from here."
    )


def pinned_torch() -> str:
    """Return the version of torch in requirements.lock."""
    found = re.search(r"^torch==([0-9.]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    if found is None:
        sys.exit("requirements.lock holds no line torch==…; write it again with: make lock")
    return found.group(1)


def install_torch() -> None:
    """Install the CPU build of torch where there is no NVIDIA GPU and that build can be had."""
    version = pinned_torch()
    question = "from importlib.metadata import version; print(version('torch').partition('+')[0])"
    if in_venv("-c", question).stdout.strip() == version:
        return
    if shutil.which("nvidia-smi"):
        return
    print(f"  torch {version}, the build without CUDA", flush=True)
    options = ["--no-deps", "--retries", "0", "--timeout", "15", "--index-url", CPU_WHEELS]
    if not pip("install", *options, f"torch=={version}"):
        print("  not to be had from here; taking the usual build", flush=True)


def main() -> None:
    """Bring `.venv` up to date."""
    os.environ.pop("PYTHONPATH", None)
    wanted = fingerprint()
    if up_to_date(wanted):
        return
    take_lock()
    if up_to_date(wanted):  # by the install that this one has waited for
        return
    began = time.monotonic()
    if venv_works():
        print("Bringing .venv up to date, up to 2 minutes", flush=True)
    else:
        make_venv()
    STAMP.unlink(missing_ok=True)
    LOG.write_text("")
    for name in in_venv("-c", REPAIR).stdout.split():
        print(f"  {name} was left unfinished, installing it again", flush=True)
    install_torch()
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    print(f"  {sum('==' in line for line in lines)} packages of requirements.lock", flush=True)
    must(pip("install", "-r", str(ROOT / "requirements.lock")), "Installing requirements.lock")
    print("  nodelib, from this folder", flush=True)
    editable = ["--no-deps", "--no-build-isolation", "-e", str(ROOT)]
    must(pip("install", *editable), "Installing nodelib")
    STAMP.write_text(wanted)
    print(f"  done in {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrupted. The same command goes on from here.")
