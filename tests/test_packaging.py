"""The wheel, built through the sdist, holds all content and works where nothing else of the project is."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from safegym import content
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(folder.glob("*.tar.gz"))) == 1
    return next(folder.glob("safegym_tradeoffs-*.whl"))


def test_the_wheel_holds_every_file_of_the_content(wheel: Path) -> None:
    inside = {name.removeprefix("safegym/_content/") for name in zipfile.ZipFile(wheel).namelist()}
    wanted = {
        str(file.relative_to(ROOT)) for folder in ("scenarios", "agents") for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }  # fmt: skip
    assert wanted - inside == set()
    kit = {str(file.relative_to(ROOT)) for file in (ROOT / "safegym" / "conformance" / "data").iterdir()}
    assert len(kit) > 13 and kit - inside == set()
    assert "safegym/py.typed" in inside


def test_the_installed_wheel_lists_and_plays_every_scenario(wheel: Path, tmp_path: Path) -> None:
    """Its dependencies are this environment's; its code and content are the wheel's own."""
    venv.create(tmp_path / "venv", with_pip=True, system_site_packages=False)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", str(wheel)], check=True)
    here = next(path for path in sys.path if path.endswith("site-packages"))
    code = (
        f"import sys; sys.path.append({here!r}); import safegym; from safegym import content; "
        "assert '_content' in str(next(iter(content.scenario_files().values()))), content.scenario_files(); "
        "print(*content.scenario_files()); print(*content.agent_files()); "
        "print(safegym.run('quick', 'oracle').grades[0].pragmatism)"
    )
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([python, "-c", code], cwd=tmp_path, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    scenarios, agents, pragmatism = done.stdout.splitlines()
    assert scenarios.split() == list(content.scenario_files())
    assert agents.split() == list(content.agent_files())
    assert pragmatism == "1.0"
