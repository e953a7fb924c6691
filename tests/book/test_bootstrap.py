"""tools/bootstrap.py: what must be there before `make` can install anything, and what it keeps."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import bootstrap
import pytest


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the script at a folder of its own, with a lock, and nothing installed."""
    (tmp_path / "requirements.lock").write_text("torch==2.13.0\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "bootstrap.py").write_text("")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / ".venv" / "installed.stamp")
    monkeypatch.setattr(bootstrap, "LOG", tmp_path / ".venv" / "install.log")
    monkeypatch.setattr(bootstrap, "LOCK", tmp_path / "build" / "install.lock")
    return tmp_path


def test_an_old_python_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(bootstrap.shutil, "which", lambda _: None)
    with pytest.raises(SystemExit, match=r"Python 3\.9\.2 is too old.*make PYTHON="):
        bootstrap.interpreter()


def test_a_newer_python_beside_an_old_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(bootstrap.shutil, "which", {"python3.12": "/opt/python3.12"}.get)
    assert bootstrap.interpreter() == "/opt/python3.12"


def test_a_missing_venv_module_is_told_in_a_sentence(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = elsewhere / "python"
    refusing.write_text("#!/bin/sh\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setattr(bootstrap, "interpreter", lambda: str(refusing))
    with pytest.raises(SystemExit, match="apt-get install python3-venv"):
        bootstrap.make_venv()


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml", "tools/bootstrap.py"])
def test_a_changed_file_changes_the_stamp(elsewhere: Path, name: str) -> None:
    before = bootstrap.fingerprint()
    assert bootstrap.fingerprint() == before
    (elsewhere / name).write_text("changed\n")
    assert bootstrap.fingerprint() != before


def test_torch_that_is_there_is_left_alone(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(bootstrap, "pip", lambda *words: calls.append(words) or True)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda _: None)
    installed = SimpleNamespace(stdout="2.13.0\n")
    monkeypatch.setattr(bootstrap, "in_venv", lambda *_: installed)
    bootstrap.install_torch()
    assert calls == []
    installed.stdout = "2.12.0\n"
    bootstrap.install_torch()
    assert [words[-2:] for words in calls] == [(bootstrap.CPU_WHEELS, "torch==2.13.0")]


def test_a_machine_with_a_gpu_gets_the_usual_torch(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(bootstrap, "pip", lambda *words: calls.append(words) or True)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda _: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(bootstrap, "in_venv", lambda *_: SimpleNamespace(stdout=""))
    bootstrap.install_torch()
    assert calls == []


def test_what_an_interrupted_install_left_is_taken_up_again(elsewhere: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bootstrap.VENV], check=True)
    (site,) = (bootstrap.VENV / "lib").glob("python3*/site-packages")
    for name, record in {
        "whole": "whole.py,,5\nwhole-1.dist-info/INSTALLER,,\n",
        "short": "short.py,,500\nshort-1.dist-info/INSTALLER,,\n",
        "early": "early.py,,5\n",
        "lost": "",
    }.items():
        (site / f"{name}.py").write_text("x = 1")
        folder = site / f"{name}-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: {name}\nVersion: 1\n")
        (folder / "INSTALLER").write_text("pip\n")
        if record:
            (folder / "RECORD").write_text(record)
    said = bootstrap.in_venv("-c", bootstrap.REPAIR).stdout.split()
    assert sorted(said) == ["early-1.dist-info", "lost-1.dist-info", "short-1.dist-info"]
    assert [path.name for path in site.glob("*.dist-info")] == ["whole-1.dist-info"]


def test_a_venv_without_all_of_its_pip_does_not_count(elsewhere: Path) -> None:
    assert not bootstrap.venv_works()
    bootstrap.make_venv()
    assert bootstrap.venv_works()
    (site,) = (bootstrap.VENV / "lib").glob("python3*/site-packages")
    (site / "pip" / "_internal" / "cli" / "main.py").unlink()
    assert not bootstrap.venv_works()


def test_a_second_install_waits_for_the_pip_of_a_first_that_was_killed(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    python = bootstrap.VENV / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n(read line <&9; echo ended >ended) 9<gate &\n")
    python.chmod(0o755)
    gate = elsewhere / "gate"
    os.mkfifo(gate)
    first = bootstrap.take_lock()
    monkeypatch.chdir(elsewhere)
    assert bootstrap.pip("install")  # what it started lives on until the gate is opened
    os.close(first)
    threading.Timer(0.5, lambda: gate.write_text("go\n")).start()
    second = bootstrap.take_lock()
    os.close(second)
    assert (elsewhere / "ended").read_text() == "ended\n"
    assert "Waiting for another install" in capsys.readouterr().out
