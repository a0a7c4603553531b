"""The pages about models: their figures follow from one another, and the script that they give runs."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

MODELS = (ROOT / "docs" / "models.md").read_text("utf-8")
GUIDE = (ROOT / "examples" / "serve_vllm.md").read_text("utf-8")
SHAPE = re.compile(
    r"(?P<layers>\d+)(?: of \d+)? × (?:(?P<heads>\d+) × (?P<size>\d+)|\((?P<latent>\d+) \+ (?P<rope>\d+)\))"
)

SERVER = """\
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
if os.environ.get("BROKEN"):
    sys.exit("no memory for the weights")
port = int(sys.argv[sys.argv.index("--port") + 1])
server = http.server.HTTPServer(("127.0.0.1", port), Handler)
open("server.pid", "w").write(str(os.getpid()))
server.serve_forever()
"""


def rows() -> list[list[str]]:
    lines = [line for line in MODELS.splitlines() if SHAPE.search(line) and line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0].strip("`"))
def test_the_memory_of_a_model_follows_from_its_shape(row: list[str]) -> None:
    parameters, thousand, weights, cache, total = (
        float(re.match(r"[\d.]+", row[at])[0])  # type: ignore[index]
        for at in (4, 6, 7, 8, 9)
    )
    shape = {name: int(value or 0) for name, value in SHAPE.search(row[5]).groupdict().items()}  # type: ignore[union-attr]
    token = shape["layers"] * (2 * shape["heads"] * shape["size"] + shape["latent"] + shape["rope"]) * 2
    assert thousand == pytest.approx(token * 1000 / 1e9, abs=0.0006)
    assert weights == pytest.approx(2 * parameters, abs=0.11)
    assert cache == pytest.approx(token * 32 * 8192 / 1e9, abs=0.06)
    assert total == pytest.approx(weights + cache, abs=0.16)


def test_the_table_has_models_of_many_dialects() -> None:
    assert len(rows()) >= 5
    assert len({row[3] for row in rows()}) >= 4


@pytest.fixture
def script(tmp_path: Path) -> dict[str, str]:
    """The guide's script in a folder with a server and a player that only say what they were asked."""
    found = re.findall(r"```bash script\n(.*?)```", GUIDE, re.DOTALL)
    assert len(found) == 1
    (tmp_path / "serve_and_run.sh").write_text(found[0])
    (tmp_path / "server.py").write_text(SERVER)
    programs = {
        "vllm": f'echo "$@" > served; exec {sys.executable} server.py "$@"',
        "safegym": 'echo "$SAFEGYM_BASE_URL $@" >> asked; [ "$1 $2" != "run ${FAILS:-}" ]',
    }
    for name, body in programs.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "VLLM": str(tmp_path / "vllm"), "PORT": str(port)}


def play(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", "serve_and_run.sh", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def alive(folder: Path) -> bool:
    return Path(f"/proc/{(folder / 'server.pid').read_text()}").exists()


def test_the_script_serves_asks_plays_and_stops(tmp_path: Path, script: dict[str, str]) -> None:
    done = play(tmp_path, script | {"SERVE_OPTIONS": "--reasoning-parser qwen3"}, "Qwen/Qwen3-8B", "hermes", "quick")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "served").read_text().startswith("serve Qwen/Qwen3-8B --host 127.0.0.1")
    assert "--tool-call-parser hermes --reasoning-parser qwen3" in (tmp_path / "served").read_text()
    checked, played = (tmp_path / "asked").read_text().splitlines()
    address = f"http://127.0.0.1:{script['PORT']}/v1"
    assert checked == f"{address} check tools --backend openai --model Qwen3-8B"
    assert played.startswith(f"{address} run quick --agent openai --model Qwen3-8B --with base_url={address}")
    assert not alive(tmp_path)


def test_the_script_stops_the_server_when_the_run_fails(tmp_path: Path, script: dict[str, str]) -> None:
    assert play(tmp_path, script | {"FAILS": "quick"}, "m", "hermes", "quick").returncode == 1
    assert not alive(tmp_path)


def test_the_script_tells_why_a_server_did_not_start(tmp_path: Path, script: dict[str, str]) -> None:
    done = play(tmp_path, script | {"BROKEN": "1"})
    assert done.returncode == 1
    assert "no memory for the weights" in done.stderr
    assert not (tmp_path / "asked").exists()


def test_the_script_leaves_another_server_alone(tmp_path: Path, script: dict[str, str]) -> None:
    (tmp_path / "other").mkdir()
    command = [sys.executable, str(tmp_path / "server.py"), "--port", script["PORT"]]
    with subprocess.Popen(command, cwd=tmp_path / "other") as other:
        try:
            while not (tmp_path / "other" / "server.pid").exists():
                assert other.poll() is None
                time.sleep(0.05)
            done = play(tmp_path, script)
            assert done.returncode == 2
            assert "something answers" in done.stderr
            assert not (tmp_path / "served").exists()
        finally:
            other.kill()
