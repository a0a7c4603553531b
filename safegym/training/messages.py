"""Messages that a model writes about subjects, each kept as soon as it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from safegym.loops import run_to_end
from safegym.models.base import Model, ModelRequest, TransientModelError
from safegym.randomness import Stream
from safegym.records import Record
from safegym.training.folder import Folder
from safegym.training.speech import MAX_TOKENS, message_in, prompt_of
from safegym.training.subjects import Subject

TEMPERATURE = 0.7
"""That of "Moloch's Bargain" (arXiv 2510.06105)."""
Tell = Callable[[int, int], None]
"""Is told how many things are done, and of how many."""


class Spoken(Record):
    """A message about a subject: the reply as it came, and what of it is put before people."""

    subject: str
    number: int
    """Tells the messages of one speaker about a subject apart; equal numbers have equal noise, whoever speaks."""
    reply: str
    text: str


def write_messages(
    model: Callable[[], Model],
    subjects: Sequence[Subject],
    numbers: Sequence[int],
    folder: Folder,
    file: str,
    *,
    seed: int,
    tell: Tell = lambda done, total: None,
) -> dict[tuple[str, int], Spoken]:
    """Have a model write messages, all requests in flight at once; those that a file holds already are not asked again.

    Args:
        model: Opens the model, where there is something to ask; it is closed afterwards.
        subjects: What about.
        numbers: Which messages about each.
        folder: Where they are kept.
        file: In which file of it.
        seed: Seed of the sampling and of the order of the statements.
        tell: Is told of every message.

    Returns:
        The messages by subject and number.

    Raises:
        ModelError: The model has stopped answering; what it said before is kept.
    """
    known = {(each.subject, each.number): each for each in folder.read(file, Spoken)}
    wanted = {(each.name, number): each for each in subjects for number in numbers}
    missing = [key for key in wanted if key not in known]
    total = len(wanted)
    tell(total - len(missing), total)
    if missing:
        opened = model()

        async def everything() -> None:
            coming = [_write(opened, wanted[key], key[1], seed) for key in missing]
            for done, each in enumerate(asyncio.as_completed(coming), total - len(missing) + 1):
                spoken = await each
                folder.add(file, spoken)
                known[spoken.subject, spoken.number] = spoken
                tell(done, total)

        try:
            with folder.timed(file):
                run_to_end(everything())
        finally:
            opened.close()
    return {key: known[key] for key in wanted}


async def _write(model: Model, subject: Subject, number: int, seed: int) -> Spoken:
    """One message; a request that fails for reasons of its own is a message without words."""
    noise = Stream(seed, f"training/message/{subject.name}/{number}").integer(2**31)
    request = ModelRequest(
        messages=prompt_of(subject, seed), max_tokens=MAX_TOKENS, temperature=TEMPERATURE, seed=noise
    )
    try:
        reply = await model.complete(request)
    except TransientModelError:
        return Spoken(subject=subject.name, number=number, reply="", text="")
    return Spoken(subject=subject.name, number=number, reply=reply.text, text=message_in(reply.text, reply.finish))
