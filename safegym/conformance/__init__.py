"""The public conformance kit: raw completions in every dialect, and checks of parsers and of models against them.

`check_parser(parse)` holds any parser of tool calls against the kit. `check_model(model)` runs a model through a dozen
requests, free and constrained.
"""

from safegym.conformance.kit import Completion, completions, tools
from safegym.conformance.models import ModelCheck, check_model
from safegym.conformance.parsers import Parser, Problem, check_parser

__all__ = ["Completion", "ModelCheck", "Parser", "Problem", "check_model", "check_parser", "completions", "tools"]
