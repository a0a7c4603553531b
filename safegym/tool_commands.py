"""`safegym check tools`: parsers of tool calls held against the kit, and a model run through it."""

from __future__ import annotations

import json
import sys

import typer


def check_tools(
    model: str | None, backend: str | None, dialect: str | None, max_tokens: int | None, *, as_json: bool
) -> None:
    """Read every completion of the kit, or run a model through it; problems end in exit code 1."""
    from safegym.dialects import find_dialect
    from safegym.errors import ContentError

    if dialect is not None:
        find_dialect(dialect)
    if model is None:
        for flag, given in (("--backend", backend), ("--max-tokens", max_tokens)):
            if given is not None:
                raise ContentError("safegym check tools", "", f"expected {flag} with --model, got it alone")
        problems = _check_parsers(dialect, as_json=as_json)
    else:
        problems = _check_model(model, backend or "hf", dialect, max_tokens, as_json=as_json)
    if problems:
        raise typer.Exit(1)


def _check_parsers(dialect: str | None, *, as_json: bool) -> list[str]:
    from rich.console import Console

    from safegym.conformance import check_parser, completions
    from safegym.conformance.tables import parser_json, parser_table

    chosen = completions(dialect)
    found = check_parser(chosen=chosen)
    if as_json:
        _print_json(parser_json(chosen, found))
    else:
        Console().print(parser_table(chosen, found))
        print(f"\n{len(chosen)} completions, {len({id(each.completion) for each in found})} read wrongly.")
    return _told([str(each) for each in found])


def _check_model(model: str, backend: str, dialect: str | None, max_tokens: int | None, *, as_json: bool) -> list[str]:
    from rich.console import Console

    from safegym.conformance.models import MAX_TOKENS, check_model
    from safegym.conformance.tables import model_json, model_table
    from safegym.models import load_model
    from safegym.progress import counting

    loaded = load_model(backend, model)
    try:
        with counting("requests") as tell:
            found = check_model(loaded, dialect, max_tokens=max_tokens or MAX_TOKENS, tell=tell)
    finally:
        loaded.close()
    if as_json:
        _print_json(model_json(found))
    else:
        Console().print(model_table(found))
    return _told(found.problems)


def _told(problems: list[str]) -> list[str]:
    for problem in problems:
        print(problem, file=sys.stderr)
    return problems


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
