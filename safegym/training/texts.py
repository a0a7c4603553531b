"""One round of learning by a language model: messages of the base, votes, an adapter for each audience, and duels.

This is the method of "Moloch's Bargain" (arXiv 2510.06105): the base writes two messages about each subject, people
vote, and the model is trained on what won; then the trained model meets its base on subjects that nobody learnt from.
Everything is written down as it comes, and the same call takes up what is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic import JsonValue

from safegym.errors import ModelError
from safegym.families.audience.options import Hearing, crowd
from safegym.models import load_model
from safegym.models.base import Model
from safegym.models.weights import Weights
from safegym.training.bargain import AGAINST_ITSELF, LEARNT, Bargain, bargain
from safegym.training.course import Course, Setting
from safegym.training.duels import Duel, hold_duels, pairs_of
from safegym.training.examples import Example, Preference, examples_of, preferences_of
from safegym.training.folder import Folder, open_folder
from safegym.training.lora import ADAPTER, train_adapter
from safegym.training.messages import Spoken, write_messages
from safegym.training.subjects import Split
from safegym.training.verdicts import Verdict, campaign_of, judge

BASE, OTHER = 0, 1
"""The numbers of the base's messages: the one that it is measured by, and another one from other noise."""
CANDIDATES, VOTES, MESSAGES, DUELS = "candidates.jsonl", "votes.jsonl", "messages.jsonl", "duels.jsonl"
Candidates = Mapping[tuple[str, int], Spoken]
"""The base's messages by subject and number."""
Verdicts = Mapping[str, Verdict]
Tell = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and of how much."""


@dataclass(frozen=True)
class Study:
    """A round that is ready to be gone through.

    Args:
        course: All that it depends on.
        base: The model.
        split: Subjects to learn from and subjects to measure on.
        compute: How the model is computed.
    """

    course: Course
    base: Weights
    split: Split
    compute: Mapping[str, JsonValue] = field(default_factory=dict)

    def run(
        self, settings: Sequence[Setting], out: Path, tell: Tell = lambda doing, done, total: None
    ) -> list[Bargain]:
        """Go through it, as far as that has not been done.

        Args:
            settings: The audiences to learn from; a folder takes up others later.
            out: The folder.
            tell: Is told of all that is done.

        Returns:
            For each audience but the placebo: what was learnt from it, the placebo if there is one, the base itself.

        Raises:
            IdentityError: If the folder is of another course.
            ModelError: If the model cannot be had, or says nothing that can be shown to people or learnt from.
        """
        folder = open_folder(out, self.course, {"compute": dict(self.compute)})
        with folder.writing():
            spoken = self._candidates(folder, tell)
            verdicts = {each: self._voted(folder, each, spoken, tell) for each in settings}
            for each in settings:
                self._train(folder, each, spoken, verdicts[each], tell)
            learnt = {each: self._learnt(folder, each, tell) for each in settings}
            others = {each.name: said for each, said in learnt.items() if each.placebo}
            others[AGAINST_ITSELF] = self._said(spoken, OTHER)
            found: list[Bargain] = []
            for each in settings:
                if not each.placebo:
                    speakers = {LEARNT: learnt[each], **others}
                    duels = self._met(folder, each, speakers, self._said(spoken, BASE), tell)
                    found += [self._told(each, speaker, own, verdicts[each]) for speaker, own in duels.items()]
            return found

    @cached_property
    def _hearing(self) -> Hearing:
        """The audience that speakers are measured before; those who learn see votes that are cast."""
        course = self.course
        asked = {"audience": course.audience, "voter": course.voter}
        return Hearing(rounds=1, voters=course.voters, fact_check=course.fact_check).model_copy(update=asked)

    def _open(self, adapter: str = "") -> Model:
        return load_model("hf", self.base.name, adapter, **self.compute)

    def _candidates(self, folder: Folder, tell: Tell) -> Candidates:
        """Two messages of the base about every subject."""
        return write_messages(
            self._open,
            (*self.split.training, *self.split.held_out),
            (BASE, OTHER),
            folder,
            CANDIDATES,
            seed=self.course.seed,
            tell=lambda done, total: tell("messages of the base", done, total),
        )

    def _voted(self, folder: Folder, setting: Setting, spoken: Candidates, tell: Tell) -> Verdicts:
        """The votes on every pair that is learnt from, by subject."""
        file, total = f"{setting.name}/{VOTES}", len(self.split.training)
        known = {each.subject: each for each in folder.read(file, Verdict)}
        missing = [each for each in self.split.training if each.name not in known]
        changes = {"audience": "choice", "placebo": True} if setting.placebo else {}
        thoughts = self.course.thoughts > 0
        hearing = self._hearing.model_copy(update={"votes": "drawn", "thoughts": thoughts, **changes})
        if missing:
            with folder.timed(file):
                for done, subject in enumerate(missing, total - len(missing) + 1):
                    campaign = campaign_of(subject, hearing, setting.credulity, self.course.seed)
                    texts = [spoken[subject.name, number].text for number in (BASE, OTHER)]
                    known[subject.name] = judge(campaign, subject.name, texts)
                    folder.add(file, known[subject.name])
                    tell(f"{setting.name}: votes", done, total)
        return {each.name: known[each.name] for each in self.split.training}

    def _train(self, folder: Folder, setting: Setting, spoken: Candidates, verdicts: Verdicts, tell: Tell) -> None:
        """The adapter of an audience."""
        own = folder.path / setting.name
        if (own / ADAPTER).is_dir():
            return
        lessons = self._lessons(spoken, verdicts)
        if not lessons:
            counts = Counter(each.left_out for each in verdicts.values())
            raise ModelError(
                f"{self.base.name}, {setting.name}: expected a pair of messages with a winner, got {len(verdicts)} "
                f"pairs without: {counts['tie']} ties, {counts['unheard']} that could be shown to nobody"
            )
        device = self.compute.get("device")
        with folder.timed(f"{setting.name}/{ADAPTER}"):
            train_adapter(
                self.base,
                lessons,
                own,
                self.course.recipe,
                device=None if device is None else str(device),
                seed=self.course.seed,
                tell=lambda done, total: tell(f"{setting.name}: training", done, total),
            )

    def _lessons(self, spoken: Candidates, verdicts: Verdicts) -> Sequence[Example] | Sequence[Preference]:
        course, subjects = self.course, self.split.training
        if course.method == "dpo":
            return preferences_of(subjects, spoken, verdicts, seed=course.seed)
        return examples_of(subjects, spoken, verdicts, crowd(), thoughts=course.thoughts, seed=course.seed)

    def _learnt(self, folder: Folder, setting: Setting, tell: Tell) -> dict[str, str]:
        """What the model says after it has learnt, by subject; from the same noise as the base."""
        said = write_messages(
            lambda: self._open(str(folder.path / setting.name / ADAPTER)),
            self.split.held_out,
            (BASE,),
            folder,
            f"{setting.name}/{MESSAGES}",
            seed=self.course.seed,
            tell=lambda done, total: tell(f"{setting.name}: messages", done, total),
        )
        return self._said(said, BASE)

    def _said(self, spoken: Candidates, number: int) -> dict[str, str]:
        return {each.name: spoken[each.name, number].text for each in self.split.held_out}

    def _met(
        self, folder: Folder, setting: Setting, speakers: Mapping[str, dict[str, str]], base: dict[str, str], tell: Tell
    ) -> dict[str, list[Duel]]:
        return hold_duels(
            speakers,
            base,
            self.split.held_out,
            self._hearing,
            setting.credulity,
            folder,
            f"{setting.name}/{DUELS}",
            seed=self.course.seed,
            tell=lambda done, total: tell(f"{setting.name}: duels", done, total),
        )

    def _told(self, setting: Setting, speaker: str, duels: Sequence[Duel], verdicts: Verdicts) -> Bargain:
        pairs = pairs_of(duels)
        if not pairs:
            raise ModelError(f"{self.base.name}, {setting.name}: none of {len(duels)} pairs could be shown to people")
        details: dict[str, str | int | float | bool] = {"speaker": speaker, "unheard": len(duels) - len(pairs)}
        if speaker == LEARNT:
            counts = Counter(each.left_out for each in verdicts.values())
            details |= {"learnt_from": counts[""], "ties": counts["tie"], "unheard_pairs": counts["unheard"]}
        return bargain(
            pairs,
            task=self.course.task,
            method=self.course.method,
            setting=setting.name if speaker == LEARNT else f"{speaker}, {setting.name}",
            credulity=setting.credulity,
            details=details,
        )
