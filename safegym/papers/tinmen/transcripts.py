"""The released transcripts: one row per conversation, a prompt and a reply (paper, section 3)."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from safegym.errors import ContentError, UnknownNameError
from safegym.papers.csv_files import CSVFile, Row, missing, read_csv
from safegym.papers.source import Release
from safegym.papers.tinmen.parsing import DIGITS, native, number_of

COLUMNS = ("condition", "transcript", "model", "temperature")
"""Columns that a file has to have; `participant` and `choice` are used where they are there."""
KNOWN = (*COLUMNS, "participant", "choice", "group", "score", "cooperation frequency")
VISIBILITIES = ("both", "customer", "company", "neither")
"""Who reads the explanation."""
CONDITIONS: Mapping[str, str] = MappingProxyType(
    {
        "both": "both",
        "user-only": "customer",
        "customer-only": "customer",
        "customer": "customer",
        "principal-only": "company",
        "company-only": "company",
        "company": "company",
        "neither": "neither",
    }
)
"""What files call them."""
ROLES = ("shell", "openai")
"""The two companies of the paper; another one is called by its own name in lower case."""
LABELS = ("published", "reversed")
CASES = ("standard", "upper", "lower")
COMPANY, OTHER = 2, 1
"""The number of the product that serves the company as published, and of the other one."""
_SERVES: Mapping[str, str] = MappingProxyType({"shell": r"\bcayenne\b", "openai": r"\bweddings?\b|\brom-?com\b"})
"""Words of the product that serves the company, by which reversed labels are told."""
_PRINCIPAL = re.compile(r"\bprincipal\s*=\s*(['\"])(.*?)\1", re.IGNORECASE | re.DOTALL)
_REPRESENTED = re.compile(r"\brepresents?\s+the\s+interests?\s+of\s+([^\n.]+)", re.IGNORECASE)
_LISTED = re.compile(rf"\[\s*product\s+id\s*:\s*(\d{{1,{DIGITS}}})\s*\]\W*?([^\s.:,\]][^\n]*)", re.IGNORECASE)
_PRICED = re.compile(r"(?<!\s)\s*(?:[,:]\s*)?(?:rental\s*)?[$€£]\s*\d", re.IGNORECASE)
_CONTENT = re.compile(r'"content"\s*:\s*"((?:[^"\\]|\\.)*)"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Transcript:
    """One conversation.

    Attributes:
        file: The file as it is told.
        line: Where its row begins, from 1.
        model: The model's name as the file has it.
        temperature: Of sampling.
        role: `shell`, `openai`, or another company's name in lower case.
        company: The company's name as the file has it.
        visibility: Who reads the explanation.
        labels: Whether the products have the numbers of the published prompt, or each other's.
        case: How the prompt is written.
        products: The name of every product on offer by its number, in order; empty names where the file lists none.
        serves: The number of the product that serves the company.
        reply: What the model wrote; empty where there is none.
    """

    file: str
    line: int
    model: str
    temperature: float
    role: str
    company: str
    visibility: str
    labels: str
    case: str
    products: tuple[tuple[int, str], ...]
    serves: int
    reply: str


def read_transcripts(release: Release, path: Path) -> list[Transcript]:
    """Read one file; rows that cannot be used are noted on the release and left out.

    What the column `Choice` says is held against the paper's rule, and differences are noted; the rule counts.

    Raises:
        ContentError: It has not the columns that are needed, or none of its rows can be used.
    """
    found = read_csv(path, KNOWN)
    if lacking := missing(COLUMNS, found.columns):
        got = ", ".join(each for each in found.columns if each)[:200] or "none"
        raise ContentError(path, "", f"expected the columns {', '.join(lacking)} too, got {got}")
    flaws = [*found.flaws]
    transcripts = []
    for row in found.rows:
        try:
            transcripts.append(_transcript(release.name(path), row))
        except ValueError as error:
            flaws.append(f"line {row.line}: {error}; left out")
    flaws += _differing(found, transcripts)
    if not transcripts:
        raise ContentError(path, "", "; ".join(["expected transcripts, none could be read", *flaws[:3]]))
    release.note_flaws(path, flaws)
    return transcripts


def listed(text: str) -> tuple[tuple[int, str], ...]:
    """The products of lines such as `[Product id: 1]. Name: $5`, each by its number and without its price."""
    found = {int(number): _PRICED.split(name)[0].strip(" \t.,:") for number, name in _LISTED.findall(text)}
    return tuple(sorted(found.items()))


def _transcript(file: str, row: Row) -> Transcript:
    """The conversation of a row; a `ValueError` says what was expected of it."""
    cells = row.cells
    prompt, reply = _texts(cells["transcript"])
    company, offered = _participant(cells.get("participant", ""))
    company = company or _company(prompt)
    if not company:
        raise ValueError("expected a principal in participant or in the prompt, got none")
    products = listed(prompt) or offered or ((OTHER, ""), (COMPANY, ""))
    role = next((each for each in ROLES if company.lower().split()[0] == each), company.lower())
    marks = re.compile(_SERVES.get(role, r"(?!)"), re.IGNORECASE)
    serves = next((number for number, name in products if marks.search(name)), COMPANY)
    return Transcript(
        file=file,
        line=row.line,
        model=cells["model"] or "unknown",
        temperature=_temperature(cells["temperature"]),
        role=role,
        company=company,
        visibility=_visibility(cells["condition"]),
        labels=LABELS[serves != COMPANY],
        case=_case(prompt),
        products=products,
        serves=serves,
        reply=reply,
    )


def _texts(cell: str) -> tuple[str, str]:
    """The prompt and the reply of a cell: a list of both, or of what went wrong, with the reply in it."""
    try:
        texts = ast.literal_eval(cell)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        texts = None
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(each, str) for each in texts):
        raise ValueError(f"expected a transcript that is a list of a prompt and a reply, got {cell[:40]!r}")
    if len(texts) > 2:
        raise ValueError(f"expected a transcript of a prompt and a reply, got {len(texts)} texts")
    prompt, reply = texts if len(texts) == 2 else ("", _completion(texts[0]))
    return prompt, reply.encode("utf-8", "replace").decode()


def _completion(text: str) -> str:
    """The reply in what the authors' program wrote where it found no choice: a message with a completion in JSON."""
    start = text.find("{")
    try:
        content = json.loads(text[start:])["content"] if start >= 0 else ""
    except (ValueError, KeyError, TypeError):
        found = _CONTENT.search(text)
        content = found[1].replace("\\n", "\n").replace('\\"', '"') if found else ""
    return content if isinstance(content, str) else ""


@lru_cache(maxsize=256)
def _participant(cell: str) -> tuple[str, tuple[tuple[int, str], ...]]:
    """The company and the products that the column names; both are empty where it does not."""
    found = _PRINCIPAL.search(cell)
    return found[2].strip() if found else "", listed(cell.replace("\\n", "\n"))


def _company(prompt: str) -> str:
    found = _REPRESENTED.search(prompt)
    return found[1].strip() if found else ""


def _temperature(cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = -1.0
    if not 0 <= value < 100:
        raise ValueError(f"expected a temperature of 0 or more, got {cell[:20]!r}")
    return value


def _visibility(cell: str) -> str:
    """Who reads the explanation, by any of the names that are known."""
    name = re.sub(r"[\s_]+", "-", cell.rpartition(".")[2].strip().lower())
    if name not in CONDITIONS:
        raise ValueError(str(UnknownNameError("condition", cell[:40], CONDITIONS)))
    return CONDITIONS[name]


def _case(prompt: str) -> str:
    changed = prompt.upper() != prompt.lower()
    return (
        "upper"
        if changed and prompt == prompt.upper()
        else "lower"
        if changed and prompt == prompt.lower()
        else CASES[0]
    )


def _differing(found: CSVFile, transcripts: list[Transcript]) -> list[str]:
    """Rows in which the file says another product than the paper's rule reads, and what a missing column means."""
    if "choice" not in found.columns:
        return [f"line {found.header}: expected the column choice too, got none: the paper's rule cannot be checked"]
    told = {row.line: re.search(r"\d+", row.cells["choice"]) for row in found.rows}
    flaws = []
    for each in transcripts:
        stated = told[each.line]
        chosen = number_of(stated[0]) if stated else None
        if chosen != native(each.reply):
            expected = f"expected product {native(each.reply) or 'none'} as choice, as the paper's rule reads the reply"
            flaws.append(f"line {each.line}: {expected}, got {chosen or 'none'}; the rule counts")
    return flaws
