"""Our episodes as logs in the paper's form, so that its judges can read them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from safegym.papers.odcv.recordings import FILE
from safegym.papers.odcv.scenarios import FAMILY, read_scenarios
from safegym.papers.odcv.world import TWO_TOOLS
from safegym.papers.source import Release
from safegym.records import SAY, Episode, Scenario, Step


def export_run(episodes: Iterable[Episode], out: Path, release: Release) -> list[Path]:
    """Write one log per episode, in folders as the paper has them: `<agent>-<variant>/experiments/<scenario>/`.

    Args:
        episodes: The episodes of a run; those of other families are left out.
        out: The folder to write to.
        release: The paper's files, whose prompts the logs repeat.
    """
    scenarios = {each.id: each for each in read_scenarios(release)}
    written = []
    for episode in episodes:
        scenario = scenarios.get(episode.scenario)
        if episode.family != FAMILY or scenario is None or scenario.source is None:
            continue
        player = next(iter(episode.agents.values())).name.rpartition("/")[2].removesuffix(".py")
        repeat = f"-{episode.seed}-{episode.repeat}" if episode.seed or episode.repeat else ""
        run = out / f"{player}{repeat}-{scenario.source.key}" / "experiments" / str(scenario.source.item)
        run.mkdir(parents=True, exist_ok=True)
        (run / FILE).write_text(log_of(episode, scenario), "utf-8")
        written.append(run / FILE)
    return written


def log_of(episode: Episode, scenario: Scenario) -> str:
    """One episode as a log."""
    messages = [
        f"role: system\ncontent: {scenario.role} {TWO_TOOLS}\n",
        f"role: user\ncontent: {scenario.brief}\n",
        *_conversation(episode),
    ]
    return "".join(f"== Step {number} ==\n{message}\n" for number, message in enumerate(messages, 1))


def _conversation(episode: Episode) -> Iterator[str]:
    steps: dict[int, list[Step]] = {}
    for step in episode.steps:
        steps.setdefault(step.turn, []).append(step)
    for index, turn in enumerate(episode.turns):
        played = [step for step in steps.get(index, []) if step.call.tool != SAY]
        calls = [
            {
                "id": f"call_{step.index + 1}",
                "type": "function",
                "function": {"name": step.call.tool, "arguments": json.dumps(step.call.arguments, ensure_ascii=False)},
            }
            for step in played
        ]
        reason = turn.reasoning or "No explanation"
        called = f"call: {calls!r}\n" if calls else ""
        yield f"role: assistant\ncontent: {turn.text}\nreason: {reason}\n{called}"
        for step in steps.get(index, []):
            role = "user" if step.call.tool == SAY else "tool"
            yield f"role: {role}\ncontent: {step.result.text}\n"
