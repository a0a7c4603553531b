"""The kit is whole, finds what is wrong with a parser, and runs models of every kind."""

import json
import subprocess
import sys
from collections import Counter

import pytest
from typer.testing import CliRunner

from safegym.conformance import check_parser, completions, tools
from safegym.conformance.models import check_model, requests
from safegym.conformance.schemas import validates
from safegym.conformance.tables import model_json, model_table
from safegym.dialects import DIALECTS, find_dialect, read
from safegym.models.base import ModelReply, ModelTraits, TransientModelError
from safegym.models.scripted import ScriptedModel
from safegym.records import ToolCall

SCHEMAS = {tool.name: tool.parameters for tool in tools()}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_our_parsers_read_the_kit(dialect):
    assert [str(each) for each in check_parser(chosen=completions(dialect))] == []


def test_the_kit_is_whole():
    kinds = Counter((each.dialect, each.kind) for each in completions())
    assert len(completions()) >= 90 and {dialect for dialect, _ in kinds} == set(DIALECTS)
    for dialect in DIALECTS:
        assert kinds[dialect, "one call"] and kinds[dialect, "several calls"] and kinds[dialect, "cut"]
        assert any(call == ToolCall(tool="look") for each in completions(dialect) for call in each.calls)
    named = [(each.dialect, each.name) for each in completions()]
    assert len(named) == len(set(named))


def test_expected_calls_follow_their_schemas():
    for each in completions():
        assert all(validates(call.arguments, SCHEMAS[call.tool]) for call in each.calls), each.name
    assert all(validates(each.call.arguments, SCHEMAS[each.call.tool]) for each in requests())


def test_a_poor_parser_is_found_out():
    def poor(text, dialect, tools, finish):
        start = text.index("{")
        value = json.loads(text[start:])
        return [(value["name"], value["arguments"])]

    problems = check_parser(poor)
    assert {"ValueError", "KeyError"} & {str(each.got).partition(":")[0] for each in problems}
    assert 0 < len({(each.completion.dialect, each.completion.name) for each in problems}) < len(completions())


def test_a_parser_may_tell_less():
    def calls_only(text, dialect, tools, finish):
        return [(call.tool, call.arguments) for call in read(text, dialect, tools, finish).calls]

    assert check_parser(calls_only) == []


# ------------------------------------------------------------------------------------------------------------- models


def scripted(dialect="hermes", *, native=True, constrain=True, wrong=()):
    """A model that makes the very call that is asked, but for the requests whose tools are wrong."""
    by_text = {each.text: each.call for each in requests()}

    def answer(request):
        if request.max_tokens == 1:
            return ""
        call = next(call for text, call in by_text.items() if text in request.messages[-1]["content"])
        if call.tool in wrong:
            return "I call nothing."
        return ModelReply(text=find_dialect(dialect).write([call]))

    traits = ModelTraits(native_tools=native, dialect=dialect, context=100_000, can_constrain=constrain)
    return ScriptedModel(answer, traits=traits)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_model_that_calls_well_passes(dialect):
    found = check_model(scripted(dialect))
    assert found.problems == [] and len(found.asked) == 3 * len(requests())
    assert all(each.status == "valid" and each.exact and each.validates for each in found.asked)


def test_required_calls_are_demanded_and_their_lack_is_a_problem():
    model = scripted(wrong=("look",))
    found = check_model(model)
    asked = Counter(request.tool_choice for request in model.requests if request.max_tokens > 1)
    assert asked == {"auto": 24, "required": 12}
    assert len(found.problems) == 2 and all(each.startswith("required reply to") for each in found.problems)
    assert Counter(each.status for each in found.asked)["none"] == 6


def test_reasoning_without_end_is_told_from_a_wrong_call():
    cut = ModelReply(text="", reasoning="I wonder", finish="length")
    traits = ModelTraits(can_constrain=True, context=100_000)
    found = check_model(ScriptedModel(lambda request: cut if request.max_tokens > 1 else "", traits=traits))
    assert len(found.problems) == len(requests()) and all("more tokens may help" in each for each in found.problems)


def test_a_request_that_fails_is_a_problem_in_every_mode():
    found = check_model(ScriptedModel(lambda request: TransientModelError("busy"), traits=ModelTraits()))
    assert len(found.problems) == len(requests()) + 1 and all(each.endswith("busy") for each in found.problems)


def test_what_a_backend_cannot_do_is_said():
    found = check_model(scripted("json", native=False, constrain=False))
    assert {each.mode for each in found.asked} == {"free"} and found.problems == []
    assert any("cannot constrain" in note for note in found.prompt)
    assert any("fallback prompt" in note for note in found.prompt)
    assert f"the prompt shows {len(tools())}." in " ".join(check_model(scripted()).prompt)
    other = check_model(scripted("hermes"), "glm")
    assert {each.status for each in other.asked if each.mode == "free"} == {"repaired"}


def test_a_server_that_hides_the_tools_from_its_model_is_found_out():
    model = scripted()
    model.count = lambda request: 10
    found = check_model(model)
    assert any("native_tools = false" in each for each in found.problems) and "shows 0" in " ".join(found.prompt)


def test_the_verdict_says_what_would_help():
    named = check_model(scripted("json", native=False, constrain=False))
    assert named.verdict.endswith("of 12: free 12.")
    silent = ScriptedModel(lambda request: "Hm.", traits=ModelTraits(native_tools=False))
    assert "cannot call tools" in check_model(silent).verdict


def test_tables_say_what_json_says():
    from rich.console import Console

    found = check_model(scripted(wrong=("look",)))
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(model_table(found))
    text, plain = console.export_text(), model_json(found)
    assert "required" in text and "none 2" in text and "valid 10" in text
    assert len(plain["asked"]) == 36 and len(plain["problems"]) == 2


# --------------------------------------------------------------------------------------------------- the command line


def invoke(*arguments):
    from safegym.cli import app

    return CliRunner().invoke(app, ["check", *arguments])


def test_the_command_reads_the_kit():
    done = invoke("tools", "--dialect", "kimi", "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["dialects"]["kimi"]["passed"] == len(completions("kimi"))
    shown = subprocess.run(
        [sys.executable, "-m", "safegym.cli", "check", "tools"], capture_output=True, text=True, check=True
    )
    assert f"{len(completions())} completions, 0 read wrongly" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tools", "--full"), "--full only with scenarios"),
        (("tools", "--backend", "hf"), "--backend with --model"),
        (("tools", "--dialect", "kimmi"), "did you mean 'kimi'"),
        (("--model", "x"), "--model only with `safegym check tools`"),
        (("tools", "--model", "x", "--backend", "fh"), "'hf'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments, message):
    done = invoke(*arguments)
    assert done.exit_code != 0 and message in str(done.exception)


def test_a_parser_that_fails_ends_the_command_with_1(monkeypatch):
    monkeypatch.setattr("safegym.conformance.check_parser", lambda chosen: check_parser(lambda *given: [], chosen))
    done = invoke("tools", "--dialect", "glm")
    wrong = sum(bool(each.calls) for each in completions("glm"))
    assert 0 < wrong < len(completions("glm"))
    assert done.exit_code == 1 and f"{len(completions('glm'))} completions, {wrong} read wrongly" in done.stdout
