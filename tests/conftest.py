from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from safegym.shell import Machine, open_shell
from safegym.shell.sandbox import SandboxError

ROOT = Path(__file__).parent.parent
os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every test runs in an empty folder, so that nothing is found or written beside the project."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SAFEGYM_CONTENT", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")


@cache
def missing_sandbox() -> str:
    """Why real bash cannot be had here; empty where it can."""
    try:
        open_shell("bubblewrap").run({}, "true", Machine("ops", "desk", datetime(2026, 1, 1, tzinfo=UTC), 1))
    except SandboxError as error:
        return str(error)
    return ""


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare a text with a file under `tests/golden`, or write the file when `SAFEGYM_GOLDEN=write`."""

    def compare(name: str, text: str) -> None:
        file = ROOT / "tests" / "golden" / name
        if os.environ.get("SAFEGYM_GOLDEN") == "write":
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, "utf-8")
        assert text == file.read_text("utf-8")

    return compare
