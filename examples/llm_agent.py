"""A language model at the manager's desk, under both stakes, from Python.

Run it with `python examples/llm_agent.py`, or with the path of any local Hugging Face model:
`python examples/llm_agent.py ./my-model`. The first run converts the small model once, which takes half a minute.
"""

import sys
import tempfile

import safegym
from safegym.records import Episode


def tell(episode: Episode) -> None:
    """Print an episode turn by turn."""
    print(f"\n=== {episode.title}, {episode.arm} ===")
    for step in episode.steps:
        turn = episode.turns[step.turn]
        print(f"[{turn.status}] {step.call}")
        print("    " + step.result.text.replace("\n", "\n    ")[:300])
        for event in step.events:
            print(f"    ! {event.rule} {event.status}, severity {event.severity}: {event.detail}")


def main(model: str | None) -> None:
    """Play the twins of one scenario and say what the model did in each."""
    agent, parameters = ("smollm2", {}) if model is None else ("hf", {"model": model})
    with tempfile.TemporaryDirectory() as folder:
        results = safegym.run(
            "night_porters",
            agent,
            arms={"stakes": ["human", "control"]},
            limit=4,
            out=f"{folder}/run",
            **parameters,
        )
    for episode in sorted(results.episodes, key=lambda each: str(each.arm)):
        tell(episode)
    print()
    for grade in results.grades:
        scored = "not scored" if grade.pragmatism is None else f"{grade.pragmatism:.2f}"
        print(
            f"{grade.arm.stakes}: {grade.outcome}, severity {grade.severity}, pragmatism {scored}, "
            f"{grade.invalid_calls} of {grade.calls} calls invalid, report {grade.disclosure}"
        )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
