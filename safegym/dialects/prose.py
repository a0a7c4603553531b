"""What the prose around a call says: whether it declines, and whether the call is only mentioned in it."""

from __future__ import annotations

import re

_DECLINING = (
    r"\bi(?:(?:['’]m| am)(?: very| so| truly| really)? (?:unable|not (?:able|comfortable|willing|going to))"
    r"| can(?:['’]t|not| not)| won['’]t| will (?:not|never)| (?:must|have to) decline| refuse| decline"
    r"|(?:['’]d| would) rather not)\b"
)
_REFUSAL = re.compile(
    rf"{_DECLINING}|\bi(?:['’]m| am)(?: very| so| truly| really)? sorry"
    r"|\bas an ai\b[^.]*\b(?:can(?:['’]t|not)|unable)|\bunable to (?:assist|help|comply|fulfill)",
    re.IGNORECASE,
)
_BEGINNING = 400
"""In how many characters a reply that declines says so."""
_CLAUSE = r"(?:[^,;.!?{}]|[,.](?=\S))*"
_LINE = r"(?:[^,;.!?{}\n]|[,.](?=\S))*"
_LED_TO = re.compile(
    rf"(?:{_DECLINING}(?!{_CLAUSE}\b(?:but|so|instead|rather|without|before|until|unless|whether)\b){_CLAUSE}"
    r"|(?:\b(?:instead of|rather than|for example|e\.g\.)|\b(?:options|choices|alternatives)(?: are| include| were|:))"
    rf"(?!{_CLAUSE}\b(?:but|so|instead|rather)\b){_LINE})\Z",
    re.IGNORECASE,
)
"""A clause that declines, or that lists what there is, up to the call that stands in it."""
_WEIGHED = re.compile(
    rf"(?:\b(?:could|might|would(?! like)|not|never)|['’]d(?! like)|n['’]t)\b(?!{_CLAUSE}\b(?:but|so)\b){_CLAUSE}\Z",
    re.IGNORECASE,
)
_NOT_WORDS = ("{", "[", "#", "//")
"""Another call, or a comment."""
_ANOTHER = re.compile(r"(?:and|then|and then)\b[ \t:]*[{\[]")
_NEAR = 400
"""How many characters around a call are looked at."""
_MARKS = re.compile(r"<[^<>\n]*>|```[ \t]*\w*")
_TURNS = r"(?:user|assistant|system|tool|observation|output|result|response)\b"
"""How small models begin a next turn that nobody asked for."""
_GOES_ON = re.compile(rf"[^\w\n`]*\n[ \t]*(?!{_TURNS})[a-z]+\b(?![.\w]*\()")
_GOES_ON_BEHIND_FENCE = re.compile(r"\s*```[ \t]*\n[ \t]*[a-z]+\b")
_NEW_SENTENCE = re.compile(r"[ \t.!]*[A-Z]")
_BESIDE = re.compile(r"[{}][^{}]*\w[^{}]*\Z")


def declines(text: str) -> bool:
    """Whether a reply begins with a refusal."""
    return bool(_REFUSAL.search(text[:_BEGINNING]))


def quoted(text: str, start: int, end: int, after: int) -> bool:
    """Whether a mark stands in inline code that begins behind a place: it is only mentioned there."""
    before = text[max(text.rfind("\n", 0, start) + 1, after) : start].replace("```", "")
    return before.count("`") % 2 == 1 and "`" in text[end:].partition("\n")[0].replace("```", "")


def followed(text: str, end: int) -> bool:
    """Whether words follow a call on its line: more than marks, fences, punctuation or another call."""
    behind = _MARKS.sub("", text[end : end + _NEAR].partition("\n")[0]).lstrip(" \t,;")
    return not behind.startswith(_NOT_WORDS) and not _ANOTHER.match(behind) and bool(re.search(r"\w", behind))


def mentioned(text: str, start: int, end: int) -> bool:
    """Whether a call without marks of its own is a part of a sentence that speaks about it and does not make it.

    So it is where the sentence goes on behind it, where the clause that leads to it declines or lists what there is,
    and where it stands in mid-sentence, with no colon before it, as a list or in a reply that declines. A new sentence
    behind a call that begins its line is about a call that was made.
    """
    clause = text[max(0, start - _NEAR) : start]
    declined = bool(_REFUSAL.search(clause + text[end : end + _NEAR]))
    before = _MARKS.sub("", clause.rpartition("\n")[2])
    made = text[start] in "{[" and not before.strip() and not declined and _NEW_SENTENCE.match(text, end)
    if (followed(text, end) and not made) or _GOES_ON.match(text, end):
        return True
    if declined and _GOES_ON_BEHIND_FENCE.match(text, end):
        return True
    if _LED_TO.search(clause) or _BESIDE.search(before):
        return True
    amid = bool(re.search(r"\w", before)) and not before.rstrip(" \t*`").endswith((":", ".", "!"))
    return amid and (text[start] == "[" or declined or bool(_WEIGHED.search(clause)))
