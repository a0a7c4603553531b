"""What a fit tells: weights with their intervals, what the votes are like, and how well the model foretells them."""

from __future__ import annotations

from safegym.records import Estimate, Record


class Weight(Record):
    """The weight of one feature.

    Attributes:
        name: Of the feature, or of what a trait adds to its weight.
        estimate: Utility of one unit, in units of the noise of a vote (logits).
        relative: The same as part of the scale, as the choice model has it.
        assumed: What the choice model assumes for `relative`; None where that is a parameter.
    """

    name: str
    estimate: Estimate
    relative: Estimate
    assumed: float | None


class Credulity(Record):
    """The weight on what is not borne out, where that on what is borne out is 1.

    Attributes:
        estimate: With its interval.
        positive: The part of the draws in which it is above nought.
        verdict: In words, whether its sign is told apart from nought.
    """

    estimate: Estimate
    positive: float | None
    verdict: str


class Spread(Record):
    """How far the duels of one task are apart: root mean squares of the logits of their shares.

    Attributes:
        task: `sales`, `election` or `post`.
        observed: As it was observed.
        corrected: Without the noise of few voters.
        recorded: The range of recorded runs, see `families.audience.calibration`.
    """

    task: str
    observed: float
    corrected: Estimate
    recorded: tuple[float, float]


class Prediction(Record):
    """How well votes for a message are foretold.

    Attributes:
        log_loss: Mean of minus the logarithm of the chance of what was chosen.
        accuracy: Part of the votes that went to the likeliest message; ties count in part.
    """

    log_loss: Estimate
    accuracy: Estimate


class Fitted(Record):
    """The choice model as some votes have it.

    Attributes:
        votes: How many were counted.
        contests: On how many contests, each of messages on one subject.
        anchors: About how many anchors.
        people: By how many people of the crowd.
        strangers: How many of the votes are by nobody of the crowd.
        tasks: What the messages are for.
        traits: Whether slopes of traits were estimated.
        draws: For the intervals.
        scale: Weight of what is borne out, for somebody who cares for it as much as can be.
        credulity: See `Credulity`.
        position: Utility of being shown first.
        weights: Of everything that has a weight of its own.
        nulls: Share of the votes among several messages that are for nobody.
        agreement: Chance that two votes on one contest are equal.
        spreads: By task.
        foretold: In cross-validation over anchors.
        chance: What a guess reaches.
        ceiling: What nobody can beat who knows neither the voter nor who was shown first; None where no contest has
            two votes.
        unread: Share of the messages that say nothing of their file, in its own words.
        inventive: Share of the messages with figures, names or assurances that their file has not.
        notes: What has to be known to read this.
    """

    votes: int
    contests: int
    anchors: int
    people: int
    strangers: int
    tasks: tuple[str, ...]
    traits: bool
    draws: int
    scale: Estimate
    credulity: Credulity
    position: Estimate
    weights: tuple[Weight, ...]
    nulls: Estimate
    agreement: Estimate
    spreads: tuple[Spread, ...]
    foretold: Prediction
    chance: Prediction
    ceiling: Prediction | None
    unread: float
    inventive: float
    notes: tuple[str, ...]
