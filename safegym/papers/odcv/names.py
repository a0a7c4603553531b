"""Which model a short name means: `claude47` is `claude-opus-4.7`, `old-gpt55` is `gpt-5.5` and not `gpt-oss-20b`."""

from __future__ import annotations

import re
from collections.abc import Iterable

_FILLERS = {
    "self", "eval", "evaluation", "judge", "judged", "score", "scores", "by", "old", "new", "preview", "latest", "exp",
    "experimental", "beta", "instruct", "chat", "it", "thinking", "reasoning", "high", "low", "medium", "final", "v",
}  # fmt: skip
"""Words that do not tell one model from another."""
_SIZES = {"mini", "nano", "lite", "oss", "micro", "tiny", "small", "distill", "codex", "guard"}
"""Words that always tell a model from the one without them."""
_GRADES = {"pro", "max", "plus", "ultra", "large", "flash", "fast", "turbo", "air", "base"}
"""Words of grade; they name no model by themselves."""
_DATE = re.compile(r"(?<!\d)(?:20\d{6}|20\d\d-\d\d-\d\d)(?!\d)")
_TOKEN = re.compile(
    r"(?P<size>\d+(?:\.\d+)?b(?![a-z]))|(?P<number>\d+(?:[.\-_ ]\d{1,2}(?!\d))*(?![\d.]*b(?![a-z])))|(?P<word>[a-z]+)"
)


def same_model(name: str, models: Iterable[str]) -> str | None:
    """The model that a judge's name means, None if it is none of them.

    Args:
        name: The name of the judge as files have it.
        models: The names of the models.
    """
    return next(iter(meant_models(name, models)), None)


def meant_models(name: str, models: Iterable[str]) -> list[str]:
    """The models that a judge's name may mean, the likeliest first.

    Leading parts that no model knows, such as `old-`, are dropped one by one. Where a name fits several models, as
    `gemini` does, the one with the fewest further words comes first, then the one with the highest version.
    """
    known = {model: tokens(model) for model in models}
    parts = re.split(r"(?<=[-_ ])", name.lower())
    for first in range(len(parts)):
        meant = tokens("".join(parts[first:]))
        fitting = [model for model, theirs in known.items() if _fits(meant, theirs)]
        if fitting:
            return sorted(fitting, key=lambda model: (len(known[model] ^ meant), _older(model), model))
    return []


def tokens(name: str) -> frozenset[str]:
    """What tells a model: words, sizes such as `27b`, and versions without their points and closing zeros."""
    found = []
    for match in _TOKEN.finditer(_DATE.sub(" ", name.lower())):
        if match["number"]:
            digits = re.sub(r"\D", "", match["number"])
            found.append(digits.rstrip("0") or "0")
        elif match["size"] or match["word"] not in _FILLERS:
            found.append(match[0])
    return frozenset(found)


def _names_something(meant: frozenset[str]) -> bool:
    return any(each.isalpha() and len(each) > 1 and each not in _SIZES | _GRADES for each in meant)


def _fits(meant: frozenset[str], theirs: frozenset[str]) -> bool:
    if meant == theirs:
        return bool(meant)
    if not _names_something(meant):
        return False
    further = meant ^ theirs
    return (meant <= theirs or (theirs <= meant and _names_something(theirs))) and not further & _SIZES


def _older(model: str) -> tuple[float, ...]:
    """The version of a model, so that the highest sorts first."""
    found = re.search(r"\d+(?:\.\d+)*", model)
    return tuple(-float(each) for each in found[0].split(".")) if found else ()
