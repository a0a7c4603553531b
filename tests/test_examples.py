"""The examples run, as a reader would run them, and stay short enough to be read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

EXAMPLES = ROOT / "examples"
BESIDE = Path(sys.executable).parent


def environment() -> dict[str, str]:
    path = f"{BESIDE}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PYTHONPATH": str(ROOT), "PATH": path, "SAFEGYM_SCENARIOS": str(ROOT / "scenarios")}


@pytest.mark.parametrize("name", ["quickstart.py", "llm_agent.py", "write_a_scenario.md", "write_a_workplace.md"])
def test_an_example_is_under_eighty_lines(name: str) -> None:
    assert len((EXAMPLES / name).read_text("utf-8").splitlines()) < 80


def test_the_quickstart_runs() -> None:
    command = [sys.executable, str(EXAMPLES / "quickstart.py")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "reward +" in done.stdout
    assert "over: True" in done.stdout
    assert "violations each" in done.stdout


def test_the_llm_example_runs() -> None:
    pytest.importorskip("torch")
    command = [sys.executable, str(EXAMPLES / "llm_agent.py")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^human: \w+, severity \d", done.stdout, re.MULTILINE)
    assert re.search(r"^control: \w+, severity \d", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("guide", ["write_a_scenario.md", "write_a_workplace.md"])
def test_every_command_of_a_guide_works(guide: str, tmp_path: Path) -> None:
    if shutil.which("safegym", path=environment()["PATH"]) is None:
        pytest.skip("the safegym command is not installed beside this Python")
    text = (EXAMPLES / guide).read_text("utf-8")
    script = "set -e\n" + "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "everything keeps its promises" in done.stdout
    assert "as expected" in done.stdout
    if guide == "write_a_scenario.md":
        assert (tmp_path / "runs" / "day_porters-oracle" / "episodes.jsonl").exists()
    else:
        assert "exclude_anyway" in done.stderr
