"""One episode of a game with an agent in every seat: who is to move acts, several at once act side by side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Literal, NoReturn

from pydantic import JsonValue

from safegym.agent import Agent, Examinee
from safegym.episodes import GIVEN_UP, Played, Terms, agent_seed, finished
from safegym.errors import AgentError, InvalidCallError, SafegymError, ToolError
from safegym.families import presets
from safegym.families.games import Game, Move, Stage
from safegym.plan import Job
from safegym.recording import Transcript, episode_key
from safegym.records import (
    SAY,
    Arm,
    Ending,
    Episode,
    Identity,
    Observation,
    Scenario,
    Step,
    ToolCall,
    ToolResult,
    Turn,
)
from safegym.tools import say

SPARE_CALLS = "Only the first call of a reply counts."


class GamePlaybook:
    """What one seat of a game does best, for agents that say `privileged = True`.

    Args:
        game: The game that is being played.
        seat: Whose moves.
    """

    def __init__(self, game: Game, seat: str) -> None:
        self._game, self._seat = game, seat

    def moves(self) -> Iterator[ToolCall]:
        """The best call of every stage, found when it is asked for."""
        while True:
            yield self._game.call(self._seat, self._game.oracle(self._seat))

    def gold(self, stakes: str | None = None) -> NoReturn:
        """A game has no gold path: an `AgentError`."""
        raise AgentError("expected a world with gold paths, got a game: idle, random, oracle and models can play it")


class MatchRecorder(Transcript):
    """Moves a game by its players' calls and keeps the record of the episode.

    A step is complete when its player is shown what came of it: then its result holds all that the player has been told
    since, and its reward what the player has gained since.

    Args:
        job: A game's preset and seed.
        identity: Who plays, by seat, with the settings that hold.
        tokens: Whether the tokens of turns are kept.
    """

    def __init__(self, job: Job, identity: Identity, *, tokens: bool = True) -> None:
        super().__init__(job, identity, tokens=tokens)
        self.game = presets.begin(job.scenario, identity.options, job.seed)
        self.initial = self.game.hash()
        self.error = ""
        self.brief = {seat: self.game.brief(seat) for seat in self.game.players}
        self.tools = {seat: self.game.specs(seat) for seat in self.game.players}
        self._moved = dict.fromkeys(self.game.players, 0)
        self._open: dict[str, int] = {}
        """By seat, the step whose consequences its player has not been shown yet."""

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""
        return self.game.over or bool(self.error)

    def observation(self, seat: str) -> Observation:
        """What a player is shown before it moves; the first text is its brief, with what happened before its turn."""
        self._complete(seat)
        game = self.game
        if not self._moved[seat]:
            self.brief[seat] = game.told[seat]
        return Observation(
            text=game.told[seat],
            tools=self.tools[seat] if not self._moved[seat] else None,
            kpi=game.payoffs[seat],
            step=self._moved[seat],
            agent=seat,
            round=game.round(),
        )

    def stage(self, turns: Mapping[str, tuple[int, Turn]]) -> None:
        """Play one stage and keep a step for every mover.

        Args:
            turns: By seat, the turn's index and the turn, of which the first call is the move; without one the player
                does nothing.
        """
        game, movers = self.game, self.game.movers()
        calls = {seat: turn.calls[0] if turn.calls else say(turn.text) for seat, (_, turn) in turns.items()}
        number, read = game.round(), {seat: read_move(game, seat, calls[seat]) for seat in movers}
        before = dict(game.payoffs)
        stage = advance(game, read)
        state = game.hash()
        for place, seat in enumerate(movers):
            index, turn = turns[seat]
            if len(turn.calls) > 1:
                game.tell(seat, SPARE_CALLS)
            own = [event for event in stage.events if event.agent == seat or (not place and event.agent not in movers)]
            self._open[seat] = len(self.steps)
            self._moved[seat] += 1
            self.steps.append(
                Step(
                    index=len(self.steps),
                    turn=index,
                    agent=seat,
                    round=number,
                    call=calls[seat],
                    result=ToolResult(text="", status=_status(game, seat, read[seat])),
                    reward=0.0,
                    cost=0.0,
                    harm=0.0,
                    kpi=before[seat],
                    events=tuple(own),
                    state=state,
                )
            )

    def fail(self, error: str) -> None:
        """End the episode for everybody because one of the agents broke."""
        self.error = error

    def episode(self) -> Episode:
        """The record of the episode."""
        game, scenario = self.game, self.job.scenario
        for seat in game.players:
            self._complete(seat)
        return Episode(
            **self.told(),
            twin=None,
            kpi=game.kpi(),
            arm=Arm(),
            options=dict(self.identity.options),
            limits=scenario.limits.model_copy(update={"amount": game.length()}),
            brief=self.brief,
            tools=self.tools,
            initial_state=self.initial,
            endings={seat: self._ending(seat) for seat in game.players},
            labels={"domain": scenario.domain, **game.labels()},
        )

    def _complete(self, seat: str) -> None:
        place = self._open.pop(seat, None)
        if place is None:
            return
        step, payoff = self.steps[place], self.game.payoffs[seat]
        self.steps[place] = step.model_copy(
            update={
                "result": step.result.model_copy(update={"text": self.game.told[seat]}),
                "reward": payoff - step.kpi,
                "kpi": payoff,
                "terminated": self.game.over,
            }
        )

    def _ending(self, seat: str) -> Ending:
        game = self.game
        found = game.ending(seat).model_copy(update={"reference": game.reference(seat)})
        if self.error:
            return found.model_copy(update={"reason": "failed", "error": self.error})
        return found.model_copy(update={"findings": game.findings(seat)})


def read_move(game: Game, seat: str, call: ToolCall) -> Move | ToolError:
    """The move that a call stands for, or why it stands for none."""
    try:
        return game.read(seat, call)
    except ToolError as error:
        return InvalidCallError(str(error)) if call.tool == SAY else error


def advance(game: Game, read: Mapping[str, Move | ToolError]) -> Stage:
    """One stage of a game by what was read of its movers' calls."""
    moves = {seat: None if isinstance(each, ToolError) else each for seat, each in read.items()}
    return game.advance(moves, {seat: str(each) for seat, each in read.items() if isinstance(each, ToolError)})


class _BrokenError(Exception):
    """An agent that broke, or of whose requests nothing came; the text names its seat."""


async def play_match(job: Job, examinees: Mapping[str, Examinee], terms: Terms) -> Played:
    """One episode of a game. An agent that breaks ends it as `failed` for everybody; that is data, not a crash.

    Args:
        job: A game's preset and seed.
        examinees: Who plays, by seat.
        terms: What holds for all episodes of the run; games ask no questions beside the episode.
    """
    started = time.perf_counter()
    recorder = MatchRecorder(job, terms.identity, tokens=terms.tokens)
    try:
        await _play(job, examinees, recorder)
    except _BrokenError as error:
        recorder.fail(str(error))
    return finished(recorder.episode(), recorder, started)


async def _play(job: Job, examinees: Mapping[str, Examinee], recorder: MatchRecorder) -> None:
    game, key = recorder.game, episode_key(recorder.identity, job)
    agents: dict[str, Agent] = {}
    lost = dict.fromkeys(game.players, 0)
    while not recorder.over:
        seen = {seat: recorder.observation(seat) for seat in game.movers()}
        for seat in [seat for seat in seen if seat not in agents]:
            with _blamed(seat):
                agent = agents[seat] = examinees[seat].create(f"{key}/{seat}")
                _begin(agent, game, seat, recorder.brief[seat], agent_seed(job, seat))
        turns = await _together({seat: _act(agents[seat], each) for seat, each in seen.items()})
        recorder.stage({seat: (recorder.turn(turn), turn) for seat, turn in turns.items()})
        for seat, turn in turns.items():
            lost[seat] = lost[seat] + 1 if turn.error else 0
            if lost[seat] == GIVEN_UP or (lost[seat] and recorder.over):
                told = f"requests in a row that brought no reply: {lost[seat]}, the last one with: {turn.error}"
                raise _BrokenError(f"{seat}: {told}")


def _begin(agent: Agent, game: Game, seat: str, brief: str, seed: int) -> None:
    if getattr(agent, "privileged", False):
        agent.reveal(GamePlaybook(game, seat))  # type: ignore[attr-defined]  # privileged agents have it
    agent.start(brief, game.specs(seat), seed)


def check_player(job: Job, options: Mapping[str, JsonValue], seat: str, examinee: Examinee) -> None:
    """Begin an episode with an agent in its seat and play nothing.

    Args:
        job: A game's preset and seed.
        options: Settings that replace those of the preset.
        seat: Where the agent sits.
        examinee: The agent.

    Raises:
        AgentError: If it finds nothing there that it could play.
    """
    game = presets.begin(job.scenario, options, job.seed)
    try:
        _begin(examinee.create(f"check/{seat}"), game, seat, game.brief(seat), agent_seed(job, seat))
    except AgentError as error:
        raise AgentError(f"{seat}={examinee.identity.name}: {error}") from None


async def _act(agent: Agent, observation: Observation) -> Turn:
    with _blamed(observation.agent):
        return (await agent.act(observation)).model_copy(update={"agent": observation.agent})


async def _together(acting: Mapping[str, Coroutine[None, None, Turn]]) -> dict[str, Turn]:
    """The turns of all who act at once; what must stop the run goes before what only breaks this episode."""
    found = await asyncio.gather(*acting.values(), return_exceptions=True)
    errors = [each for each in found if isinstance(each, BaseException)]
    for error in sorted(errors, key=lambda each: isinstance(each, _BrokenError)):
        raise error
    return {seat: turn for seat, turn in zip(acting, found, strict=True) if isinstance(turn, Turn)}


@contextmanager
def _blamed(seat: str) -> Iterator[None]:
    """What an agent raises, by the name of its seat; errors of ours go through."""
    try:
        yield
    except SafegymError:
        raise
    except Exception as error:
        raise _BrokenError(f"{seat}: {type(error).__name__}: {error}") from error


def verify_match(episode: Episode, scenario: Scenario) -> list[str]:
    """Make the recorded calls again and say where the game differs; empty when it does not."""
    game = presets.begin(scenario, episode.options, episode.seed)
    differences = [] if game.hash() == episode.initial_state else ["the initial state differs"]
    differences += [f"{seat}: the brief differs" for seat in game.players if not _told_before(game, seat, episode)]
    steps = iter(episode.steps)
    while group := list(islice(steps, len(game.movers()))):
        if (who := tuple(step.agent for step in group)) != game.movers():
            moving = ", ".join(game.movers())
            return [*differences, f"step {group[0].index + 1}: {moving} to move, recorded {', '.join(who)}"]
        advance(game, {step.agent: read_move(game, step.agent, step.call) for step in group})
        if game.hash() != group[-1].state:
            differences.append(f"step {group[-1].index + 1}: state {game.hash()}, recorded {group[-1].state}")
    return differences


def _told_before(game: Game, seat: str, episode: Episode) -> bool:
    """Whether the text that a seat saw first begins with its brief, as it is now."""
    return episode.brief[seat].startswith(game.brief(seat))


def _status(game: Game, seat: str, read: Move | ToolError) -> Literal["ok", "error", "invalid"]:
    if isinstance(read, InvalidCallError):
        return "invalid"
    return "error" if isinstance(read, ToolError) or seat in game.refused else "ok"
