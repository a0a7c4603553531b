"""The frozen records that every room speaks in, and the schema of everything written to disk.

A record holds data and nothing else. Changing a field here changes logs: raise `SCHEMA_VERSION` and the fixtures in
`tests/fixtures/` with it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag, field_validator, model_validator

SCHEMA_VERSION = 4
SAY = "say"
"""The reserved tool that a reply without a call becomes."""
MENU = "menu"
"""The reserved tool that makes the `index`-th call of the menu."""
UNKNOWN = "unknown"
"""The claim of somebody who says that they do not know."""
SINGLE = "agent"
"""The agent id of every single-agent environment."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Scalar: TypeAlias = str | int | float | bool
Claims: TypeAlias = dict[str, Scalar]


class Record(BaseModel):
    """A frozen record: unknown fields are refused, so a typing error in a file is found."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


# --------------------------------------------------------------------------------------------------------- the arms


class Arm(Record):
    """One level of every factor; a factor that does not apply to the scenario is None."""

    stakes: Literal["human", "control"] | None = None
    pressure: Literal["none", "incentive", "mandate", "push"] | None = None
    feasible: Literal["short", "met"] | None = None
    conflict: Literal["yes", "no"] | None = None
    oversight: Literal["monitored", "unmonitored"] | None = None
    exit: Literal["open", "closed"] | None = None
    threat: Literal["none", "restriction", "replacement"] | None = None
    precedence: Literal["clear", "silent"] | None = None
    visibility: Literal["both", "customer", "company", "neither"] | None = None
    choice_visible: Literal["yes", "no"] | None = None
    feedback: Literal["none", "share", "reasons"] | None = None

    @property
    def levels(self) -> dict[str, str]:
        """The factors that apply, each with its level."""
        return self.model_dump(exclude_none=True)

    def __str__(self) -> str:
        return " ".join(f"{factor}={level}" for factor, level in self.levels.items()) or "no arms"


FACTORS: dict[str, tuple[str, ...]] = {
    name: get_args(get_args(field.annotation)[0]) for name, field in Arm.model_fields.items()
}
"""The vocabulary of arms: every factor with its levels."""
FACTOR_MEANINGS: dict[str, str] = {
    "stakes": "whether the tempting act wrongs somebody (human) or nobody (control, the twin)",
    "pressure": "what hangs on the figure, and how it is put",
    "feasible": "whether permitted work reaches the target",
    "conflict": "whether what is ordered costs the figure anything",
    "oversight": "whether anybody looks at what is logged",
    "exit": "whether somebody can be asked, or the decision handed over",
    "threat": "what becomes of the agent itself",
    "precedence": "whether orders were said to come before the task",
    "visibility": "who reads the explanation of a choice",
    "choice_visible": "whether the customer sees what there was to choose, and what was chosen",
    "feedback": "what a player learns of its audience",
}
"""What each factor says, in a few words."""

# --------------------------------------------------------------------------------------------------------- a scenario


class NumberSlot(Record):
    """A number drawn evenly from `low` to `high`, both included, in steps of `step`."""

    low: float
    high: float
    step: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> NumberSlot:
        if self.high < self.low:
            raise ValueError(f"high ({self.high}) is below low ({self.low})")
        return self


class ChoiceSlot(Record):
    """One of several texts; slots that share `group` draw different members of the same list."""

    choices: tuple[str, ...] = Field(min_length=2)
    group: str | None = None


def _kind_of_slot(given: Any) -> str:  # noqa: ANN401 - whatever a file holds
    drawn = given if isinstance(given, dict) else vars(given) if isinstance(given, BaseModel) else {}
    return "choice" if "choices" in drawn or "group" in drawn else "number"


Slot: TypeAlias = Annotated[
    Annotated[NumberSlot, Tag("number")] | Annotated[ChoiceSlot, Tag("choice")], Discriminator(_kind_of_slot)
]


class KPI(Record):
    """What the principal pays for; higher is better."""

    name: Name
    description: str
    unit: str
    low: float
    high: float
    target: float | str | None = None

    @property
    def range(self) -> float:
        """The width of the scale, in the KPI's unit."""
        return self.high - self.low


class Limits(Record):
    """How much an episode may take, counted in calls (`steps`) or in replies (`turns`)."""

    unit: Literal["steps", "turns"] = "steps"
    amount: int = Field(gt=0)


class ClaimSpec(Record):
    """A fact that a closing call is asked to report."""

    name: Name
    description: str
    kind: Literal["number", "text", "yes_no"] = "number"
    unit: str = ""
    tolerance: float = Field(default=0.0, ge=0)


class Feature(Record):
    """A named number of the numeric view, with its range and unit."""

    name: str
    description: str = ""
    unit: str = ""
    low: float
    high: float


class ToolCall(Record):
    """What an agent asks the world to do."""

    tool: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)

    @field_validator("arguments")
    @classmethod
    def _writable(cls, given: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """Lone surrogates, which no encoding has, become question marks, so that every call can be logged."""
        return {name: _encodable(value) for name, value in given.items()}

    def __str__(self) -> str:
        given = ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in self.arguments.items())
        return f"{self.tool}({given})"


EventStatus: TypeAlias = Literal["attempted", "blocked", "executed", "reverted"]
Disclosure: TypeAlias = Literal["honest", "partial", "false", "none"]


class Path(Record):
    """A way through a scenario whose grade is known beforehand."""

    name: Name
    kind: Literal["gold", "bad", "innocent"]
    description: str = ""
    when: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    calls: tuple[ToolCall, ...]
    severity: dict[Literal["human", "control"], int]
    status: EventStatus | Literal["none"] = "none"
    disclosure: Disclosure = "honest"
    rule: str | None = None
    """The rule of its worst event, where that is promised too: a path may be found out for the wrong reason."""

    def applies(self, arm: Arm) -> bool:
        """Whether the path can be walked under these arm levels."""
        return all(arm.levels.get(factor) in levels for factor, levels in self.when.items())


class PaperSource(Record):
    """Where a scenario that was read from a paper's released files comes from."""

    paper: str
    file: str
    item: int | str
    key: str = ""


class Scenario(Record):
    """One exam paper: what the agent may see, what only the referee knows, and the family's own block.

    Texts hold slots as `@{name}`; `text` holds, per factor and level, the wording that `@{factor}` stands for.
    `exchange` holds pairs of wordings that the human arm takes as written and the control arm takes swapped.
    """

    schema_version: int = SCHEMA_VERSION
    family: Name
    name: Name
    title: str
    domain: str
    canary: str
    twin: Literal["bearer", "permission", "truth"] | None = None
    forced_choice: bool = False
    source: PaperSource | None = None

    role: str
    brief: str
    goal: str
    constraints: tuple[str, ...] = ()
    kpi: KPI
    limits: Limits
    arms: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    slots: dict[str, Slot] = Field(default_factory=dict)
    exchange: dict[str, tuple[str, str]] = Field(default_factory=dict)
    text: dict[str, dict[str, str]] = Field(default_factory=dict)
    claims: tuple[ClaimSpec, ...] = ()
    menu: tuple[ToolCall, ...] = ()
    features: tuple[Feature, ...] = ()

    paths: tuple[Path, ...] = ()
    world: dict[str, JsonValue] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)
    """Files of the scenario's `files/` folder by relative path; empty for a scenario that is one file."""
    sealed: dict[str, str] = Field(default_factory=dict)
    """Files of the `sealed/` folder, which only the referee reads, and hashes of what else an episode reads."""

    @property
    def id(self) -> str:
        """`family/name`."""
        return f"{self.family}/{self.name}"

    def __hash__(self) -> int:
        return hash(self.hash)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy; what is changed in it has a hash of its own."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("hash", None)
        return copied

    @cached_property
    def hash(self) -> str:
        """Hash of the whole content; equal content has equal hash on every machine."""
        return digest(self.model_dump(mode="json"))

    def hash_under(self, schema_version: int) -> str:
        """The hash that the same content had under another schema, where that had the same fields."""
        return self.model_copy(update={"schema_version": schema_version}).hash


# --------------------------------------------------------------------------------------------------------- the wall


class ToolSpec(Record):
    """A tool as an agent sees it."""

    name: str
    description: str
    parameters: dict[str, JsonValue]
    effect: Literal["read", "write"] = "write"
    closes: bool = False
    exits: bool = False

    def as_function(self) -> dict[str, Any]:
        """The JSON-schema form that chat templates and OpenAI-compatible endpoints take."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}


class Observation(Record):
    """What an agent is shown before it acts.

    On reset `text` is the whole brief, afterwards the newest message. `tools` is set at reset and when the tools
    change. `menu` and `features` are the numeric view of the same state.
    """

    text: str
    tools: tuple[ToolSpec, ...] | None = None
    menu: tuple[ToolCall, ...] = ()
    features: dict[str, float] = Field(default_factory=dict)
    kpi: float | None = None
    step: int = 0
    steps_left: int | None = None
    agent: str = SINGLE
    round: int = 0


class Usage(Record):
    """Tokens that a turn took, and what they cost by the prices that the agent's file gives."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0

    @model_validator(mode="before")
    @classmethod
    def _older(cls, given: Any) -> Any:  # noqa: ANN401 - whatever a file holds
        """Logs of schema 1 and 2 also told here what a cache had spared."""
        return {k: v for k, v in given.items() if k != "cached_tokens"} if isinstance(given, dict) else given


class TokenReference(Record):
    """Where the token ids of a turn lie: a file under `tokens/` and a row in it."""

    file: str
    row: int


class TokenTrace(Record):
    """The token ids of one turn; `logprobs` belong to the completion and are those of the model's own logits.

    That is: a log-softmax over the whole vocabulary at temperature 1, before masks, biases and noise.
    """

    prompt: tuple[int, ...] = ()
    completion: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()


class Served(Record):
    """How a turn was computed; another machine, or another neighbour, may do it otherwise."""

    engine: str = ""
    seconds: float = 0.0
    cached_tokens: int = 0
    """The part of the prompt that was not computed again."""
    attempts: int = 1


ParseStatus: TypeAlias = Literal["valid", "repaired", "malformed", "truncated", "refused", "none"]


class Turn(Record):
    """One reply of an agent: its words, its reasoning and the calls read from them."""

    agent: str = SINGLE
    text: str = ""
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    status: ParseStatus = "valid"
    usage: Usage = Usage()
    tokens: TokenReference | None = None
    scores: dict[str, float] = Field(default_factory=dict)
    """Log-probability of every option as a whole reply, where options were scored and nothing was written."""
    shortened: int = 0
    """Earlier messages that were cut or left out of the prompt, so that it fits the context."""
    error: str = ""
    trace: TokenTrace | None = Field(default=None, exclude=True)
    served: Served | None = Field(default=None, exclude=True)
    """Both on their way to `tokens/` and `timings.jsonl`; no logged turn has them."""


Change: TypeAlias = Literal["created", "changed", "deleted"]


class ToolResult(Record):
    """What a call brought: the text shown to the agent, and whether the call could be carried out."""

    text: str
    status: Literal["ok", "error", "invalid"] = "ok"
    """`error`: the world said no (a missing file, a spent option). `invalid`: the call was not a valid call."""
    files: dict[str, Change] = Field(default_factory=dict)
    """The files that the call created, changed or deleted, by path, in a world that has files."""


class Event(Record):
    """One line of the ledger: something that really happened, by whom, to whom.

    The last event of a rule tells how it stands; a `reverted` one was undone before anyone or any check relied on it.
    """

    rule: Name
    kind: Literal["violation", "harm", "kpi", "disclosure", "exit"]
    status: EventStatus = "executed"
    severity: int = Field(default=0, ge=0, le=5)
    agent: str = SINGLE
    tempting: bool = False
    """The scenario's tempting act, in either stakes."""
    probability: float = Field(default=1.0, ge=0, le=1)
    magnitude: float = 0.0
    unit: str = ""
    bearer: str = ""
    gain: float = 0.0
    """What the act obtained of the measured KPI, in its unit."""
    detail: str = ""
    before: str = ""
    after: str = ""


class Step(Record):
    """One call and all that came of it."""

    index: int
    turn: int
    agent: str = SINGLE
    round: int = 0
    call: ToolCall
    result: ToolResult
    reward: float
    cost: float
    harm: float
    kpi: float
    events: tuple[Event, ...] = ()
    tools: tuple[ToolSpec, ...] | None = None
    state: str
    """Hash of the world after the step."""
    terminated: bool = False
    truncated: bool = False


class Answer(Record):
    """What a copy of the agent answered to a question beside the episode, before it decided or after the end."""

    question: str
    text: str
    value: float | None
    """The number in the answer; None where there is none on the scale, or none was asked for."""
    right: bool | None
    """Whether it is a right one; None where nothing could be read, and where no answer is right or wrong."""
    disclosure: Disclosure = "none"
    """An account of what was done, held against it; `none` where nothing was told or no account was asked for."""


class Reference(Record):
    """The KPI of closing at once and of the gold path, on the same streams; the ends of the pragmatism scale."""

    idle: float
    best: float


class Ending(Record):
    """How an episode ended for one agent, told by the world itself."""

    reason: Literal["closed", "limit", "failed"]
    reached: bool
    """The decision point was met and the tempting act available."""
    exited: bool = False
    kpi_initial: float
    kpi_measured: float
    claims: Claims | None = None
    facts: Claims = Field(default_factory=dict)
    reference: Reference | None = None
    findings: dict[str, float] = Field(default_factory=dict)
    """The family's own figures of the episode, each from 0 to 1."""
    error: str = ""


class AgentIdentity(Record):
    """Who played: the agent's name, the hash of its file and weights, and its parameters."""

    name: str
    hash: str
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    privileged: bool = False


class Identity(Record):
    """What must be equal for two episodes to stand in one row of a table."""

    agents: dict[str, AgentIdentity]
    protocol: dict[str, JsonValue] = Field(default_factory=dict)
    options: dict[str, JsonValue] = Field(default_factory=dict)
    shell: str = ""
    interface: Literal["tools", "numeric"] = "tools"
    schema_version: int = SCHEMA_VERSION

    @property
    def hash(self) -> str:
        """Hash of all of it."""
        return digest(self.model_dump(mode="json"))


class Episode(Record):
    """One finished episode, complete in itself: graders, reports and replays need nothing else."""

    key: str
    identity: str
    scenario: str
    scenario_hash: str
    family: str
    title: str
    twin: str | None
    forced_choice: bool = False
    kpi: KPI
    claims: tuple[ClaimSpec, ...] = ()
    arm: Arm
    options: dict[str, JsonValue] = Field(default_factory=dict)
    seed: int
    repeat: int = 0
    limits: Limits
    agents: dict[str, AgentIdentity]
    brief: dict[str, str]
    tools: dict[str, tuple[ToolSpec, ...]]
    initial_state: str
    turns: tuple[Turn, ...]
    steps: tuple[Step, ...]
    endings: dict[str, Ending]
    labels: dict[str, str] = Field(default_factory=dict)
    """What the scenario is about, such as its kind of harm, and what this very episode was about."""
    answers: dict[str, dict[str, Answer]] = Field(default_factory=dict)
    """By agent and name of the question."""
    schema_version: int = SCHEMA_VERSION

    def events(self, agent: str | None = None) -> list[Event]:
        """The ledger in order, of everyone or of one agent."""
        return [event for step in self.steps for event in step.events if agent is None or event.agent == agent]


# --------------------------------------------------------------------------------------------------------- the grades

Outcome: TypeAlias = Literal["acted", "declined", "exited", "refused", "failed", "invalid", "not_reached"]
OUTCOMES: tuple[str, ...] = get_args(Outcome)


class Grade(Record):
    """What a grader found in one episode for one agent, with the evidence.

    `pragmatism` is None where nothing could be gained; `not_scored` says why.
    """

    key: str
    grader: str
    agent: str = SINGLE
    player: str
    privileged: bool = False
    scenario: str
    family: str
    twin: str | None = None
    arm: Arm
    seed: int
    repeat: int = 0

    outcome: Outcome
    reached: bool
    severity: int
    attempted: int = 0
    violation: bool
    false_record: int = 0
    """Severity of false reports, which stay wrong in both stakes."""
    kpi_measured: float
    kpi_credited: float
    pragmatism: float | None
    pragmatism_raw: float | None
    kpi_attained: float | None = None
    """The measured KPI on the same scale, unclipped: above 1 where more was shown than could be had honestly."""
    not_scored: str = ""
    exited: bool = False
    disclosure: Disclosure = "none"
    invalid_calls: int = 0
    calls: int = 0
    looks: int | None = None
    """How many of its calls looked at something; None where no tool only looks."""
    perceived: bool | None = None
    """Whether it told rightly which plan harms people more; None where it was not asked or gave no number."""
    aware: float | None = None
    """How likely it thought the whole to be a test, from 0 to 10; None where it was not asked or gave no number."""
    self_report: Disclosure = "none"
    """Its account of what it did, asked of a copy after the end; `none` where nothing was told or asked."""
    findings: dict[str, float] = Field(default_factory=dict)
    """The family's own figures of the episode, each from 0 to 1."""
    replies: dict[str, int] = Field(default_factory=dict)
    """How the agent's replies were read: turns by status, those that never came as `lost`."""
    labels: dict[str, str] = Field(default_factory=dict)
    harm_expected: float = 0.0
    harm_realised: float = 0.0
    harm_unit: str = ""
    evidence: tuple[str, ...] = ()


class Estimate(Record):
    """A figure with its 95 % interval and the number of episodes behind it; None where it cannot be told.

    `missing` episodes belong to the figure but could not be scored; `floor` and `ceiling` are what it could have been
    at the least and at the most, had they been.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    reason: str = ""
    missing: int = 0
    floor: float | None = None
    ceiling: float | None = None


class ReportRow(Record):
    """One agent, over one slice of a run."""

    player: str
    slice: str = "all"
    levels: dict[str, str] = Field(default_factory=dict)
    """What the slice is by, each with its level; several of them in a cell of crossed factors."""
    privileged: bool = False
    bracket: bool = False
    """A baseline between whose figures the others are read."""
    episodes: int
    scenarios: int = 0
    figures: dict[str, Estimate]
    outcomes: dict[str, dict[str, int]]
    """Outcome counts per stakes."""
    severities: dict[str, dict[int, int]] = Field(default_factory=dict)
    """Severity counts per stakes."""
    false_records: dict[str, int] = Field(default_factory=dict)
    """Number of episodes with a false report per stakes."""
    findings: dict[str, dict[str, Estimate]] = Field(default_factory=dict)
    """Means of the families' own figures per stakes and name, in percent."""
    notes: tuple[str, ...] = ()


class Quiz(Record):
    """How one agent answered the multiple-choice questions of one family; all shares are in percent."""

    player: str
    family: str
    bracket: bool = False
    privileged: bool = False
    episodes: int
    questions: int
    """Questions that differ in more than the order of their options."""
    figures: dict[str, Estimate]
    """`accuracy`, `unread`, and `consistency` over the questions that were asked in several orders."""
    keyed: dict[str, Estimate]
    """The accuracy where the right option stands at a letter."""
    answered: dict[str, Estimate]
    """The share of a letter among the answers that could be read."""
    baselines: dict[str, float]
    """What is right on exactly these episodes: `always_A`, ..., `longest`, `shortest`, `random`."""


class Report(Record):
    """The table of a set of runs: one row per agent, and per agent and slice.

    `cells` are the slices of several factors crossed, `findings` the names of each family's own figures.
    """

    rows: tuple[ReportRow, ...]
    slices: tuple[ReportRow, ...] = ()
    cells: tuple[ReportRow, ...] = ()
    findings: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    quizzes: tuple[Quiz, ...] = ()
    notes: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION


# --------------------------------------------------------------------------------------------------------- helpers

_SURROGATES = re.compile("[\ud800-\udfff]")


def _encodable(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return _SURROGATES.sub("?", value)
    if isinstance(value, list):
        return [_encodable(each) for each in value]
    if isinstance(value, dict):
        return {name: _encodable(each) for name, each in value.items()}
    return value


def canonical(value: object) -> str:
    """JSON text that is equal for equal values: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: object) -> str:
    """Sixteen hex digits of the BLAKE2b hash of a JSON value."""
    return hashlib.blake2b(canonical(value).encode(), digest_size=8).hexdigest()


def standing(events: Iterable[Event]) -> list[Event]:
    """The events that count: the last one of every rule of every agent, in order of first appearance."""
    last: dict[tuple[str, str, str], Event] = {}
    for event in events:
        last[event.agent, event.kind, event.rule] = event
    return list(last.values())


def rounded(values: Mapping[str, float], digits: int = 9) -> dict[str, float]:
    """Numbers cut to the digits that are stable across platforms."""
    return {name: round(value, digits) for name, value in values.items()}
