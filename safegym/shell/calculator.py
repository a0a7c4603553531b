"""The shell's `bc`: decimal arithmetic that truncates where bc truncates; programs cannot define functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal, DecimalException, localcontext

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*|\.\d+)|(?P<name>[a-z][a-z0-9_]*)|(?P<text>\"[^\"]*\")"
    r"|(?P<operator>\+\+|--|[-+*/%^]=|[<>=!]=|&&|\|\||[-+*/%^<>=!();,{}]))[ \t]*"
)
_COMMENT = re.compile(r"/\*.*?\*/|#[^\n]*|\\\n", re.DOTALL)
_PRECISION = 1_000  # digits; beyond them a number is refused, so that no expression can run for long
_MOST_SCALE = 200
_DEPTH = 100
_MOST_STEPS = 20_000  # statements of one program
_WIDTH = 69
_ONE = Decimal(1)
_COMPARISONS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "<": Decimal.__lt__, "<=": Decimal.__le__, ">": Decimal.__gt__, ">=": Decimal.__ge__,
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
}  # fmt: skip


class _FaultError(Exception):
    """A runtime fault of a calculation, such as a division by zero."""


@dataclass(frozen=True, slots=True)
class Calculation:
    """What bc printed.

    Attributes:
        stdout: One line for every value.
        stderr: Syntax and runtime errors, as bc words them.
    """

    stdout: str
    stderr: str


def calculate(source: str, library: bool = False) -> Calculation:
    """Run a bc program, statement by statement, and go on after an error as bc does.

    Args:
        source: Statements separated by newlines or semicolons.
        library: Whether `-l` was given: twenty digits and the functions s, c, a, l and e.
    """
    calculator = _Calculator(scale=20 if library else 0, library=library)
    errors = []
    with localcontext(prec=_PRECISION, rounding=ROUND_DOWN, Emax=99_999, Emin=-99_999):
        for number, line in _units(_COMMENT.sub(" ", source)):
            printed = len(calculator.printed)
            try:
                if calculator.line(line):
                    break
            except SyntaxError:
                del calculator.printed[printed:]  # bc parses a line before it runs it
                errors.append(f"(standard_in) {number}: syntax error\n")
            except (_FaultError, DecimalException, OverflowError) as fault:
                reason = str(fault) if isinstance(fault, _FaultError) else "exponent too large"
                errors.append(f"Runtime error (func=(main), adr=3): {reason}\n")
    return Calculation("".join(calculator.printed), "".join(errors))


def _units(source: str) -> Iterator[tuple[int, str]]:
    """Take a program apart at its line ends, but for those within braces; with the number of each last line."""
    unit, depth = "", 0
    for number, line in enumerate(source.split("\n"), start=1):
        depth += line.count("{") - line.count("}")
        unit += line
        if depth <= 0:
            yield number, unit
            unit, depth = "", 0
        else:
            unit += ";"
    if unit:
        yield number, unit


def _scale(value: Decimal) -> int:
    return max(0, -int(value.as_tuple().exponent))


def _cut(value: Decimal, scale: int) -> Decimal:
    kept = value.quantize(_ONE.scaleb(-scale)) if _scale(value) > scale else value
    return abs(kept) if kept == 0 else kept


def _shown(value: Decimal) -> str:
    text = "0" if value == 0 else f"{value:f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:f}"
    return "\\\n".join(text[at : at + _WIDTH - 1] for at in range(0, len(text), _WIDTH - 1)) if len(text) > 70 else text


@dataclass(slots=True)
class _Calculator:
    scale: int
    library: bool
    names: dict[str, Decimal] = field(default_factory=dict)
    printed: list[str] = field(default_factory=list)
    tokens: list[tuple[str, str]] = field(default_factory=list)
    at: int = 0
    depth: int = 0
    live: bool = True
    """False in a branch that is not taken: it is read, and nothing happens."""
    steps: int = 0

    def line(self, line: str) -> bool:
        """Run one line; say whether it asked to quit."""
        self.tokens, self.at, self.depth, self.live = _tokens(line), 0, 0, True
        while self.at < len(self.tokens):
            if self._take(";"):
                continue
            if self._peek() in {"quit", "halt"}:
                return True
            braced = self._peek() in {"if", "while", "for", "{"}
            self._statement()
            if self.at < len(self.tokens) and self._peek() != ";" and not braced:
                raise SyntaxError
        return False

    def _statement(self) -> None:
        if self.at >= len(self.tokens):
            raise SyntaxError
        self.steps += 1
        self.depth += 1
        if self.steps > _MOST_STEPS:
            raise _FaultError("too many steps")
        if self.depth > _DEPTH:
            raise SyntaxError
        if self._take("{"):
            while not self._take("}"):
                if not self._take(";"):
                    self._statement()
        elif self._take("if"):
            self._if()
        elif self._take("while"):
            self._need("(")
            self._loop(self.at, None)
        elif self._take("for"):
            self._for()
        else:
            self._simple()
        self.depth -= 1

    def _if(self) -> None:
        self._need("(")
        live, truth = self.live, bool(self._expression())
        self._need(")")
        self.live = live and truth
        self._statement()
        self.live = live
        while self._peek() == ";" and self._peek(1) in {";", "else"}:
            self.at += 1
        if self._take("else"):
            self.live = live and not truth
            self._statement()
            self.live = live

    def _for(self) -> None:
        self._need("(")
        if self._peek() != ";":
            self._expression()
        self._need(";")
        condition = self.at
        live, self.live = self.live, False
        if self._peek() != ";":
            self._expression()
        self._need(";")
        after = self.at
        self.live = live
        self._loop(condition, after)

    def _loop(self, condition: int, after: int | None) -> None:
        """Repeat a statement. For a `for`, `after` is where its last expression stands."""
        live = self.live
        while True:
            self.at = condition
            truth = self._peek() == ";" or bool(self._expression())
            self.live = live and truth
            if after is not None:
                self.at, self.live = after, False
                if self._peek() != ")":
                    self._expression()
                self.live = live and truth
            self._need(")")
            self._statement()
            if not self.live:
                break
            if after is not None:
                end, self.at = self.at, after
                if self._peek() != ")":
                    self._expression()
                self.at = end
        self.live = live

    def _simple(self) -> None:
        kind, text = self.tokens[self.at]
        following = self.tokens[self.at + 1][1] if self.at + 1 < len(self.tokens) else ""
        if kind == "text":
            self.at += 1
            self._say(text[1:-1])
        elif text == "print":
            self.at += 1
            self._print()
        elif kind == "name" and following.endswith("=") and following not in _COMPARISONS:
            self._expression()
        else:
            self._say(_shown(self._expression()) + "\n")

    def _print(self) -> None:
        while True:
            if self.at < len(self.tokens) and self.tokens[self.at][0] == "text":
                self._say(self.tokens[self.at][1][1:-1].replace("\\n", "\n").replace("\\t", "\t"))
                self.at += 1
            else:
                self._say(_shown(self._expression()))
            if not self._take(","):
                return

    def _say(self, text: str) -> None:
        if self.live:
            self.printed.append(text)

    def _peek(self, ahead: int = 0) -> str:
        return self.tokens[self.at + ahead][1] if self.at + ahead < len(self.tokens) else ""

    def _take(self, *operators: str) -> str:
        text = self._peek()
        if text in operators:
            self.at += 1
            return text
        return ""

    def _need(self, operator: str) -> None:
        if not self._take(operator):
            raise SyntaxError

    def _expression(self) -> Decimal:
        self.depth += 1
        if self.depth > _DEPTH:
            raise SyntaxError
        value = self._either()
        self.depth -= 1
        return value

    def _either(self) -> Decimal:
        value = self._both()
        while self._take("||"):
            right = self._both()
            value = Decimal(bool(value) or bool(right))
        return value

    def _both(self) -> Decimal:
        value = self._negation()
        while self._take("&&"):
            right = self._negation()
            value = Decimal(bool(value) and bool(right))
        return value

    def _negation(self) -> Decimal:
        turned = 0
        while self._take("!"):
            turned += 1
        value = self._comparison()
        return Decimal(bool(value) == (turned % 2 == 0)) if turned else value

    def _comparison(self) -> Decimal:
        value = self._sum()
        while operator := self._take(*_COMPARISONS):
            value = Decimal(_COMPARISONS[operator](value, self._sum()))
        return value

    def _sum(self) -> Decimal:
        value = self._product()
        while operator := self._take("+", "-"):
            value = self._apply(operator, value, self._product())
        return value

    def _product(self) -> Decimal:
        value = self._signed()
        while operator := self._take("*", "/", "%"):
            value = self._apply(operator, value, self._signed())
        return value

    def _signed(self) -> Decimal:
        self.depth += 1
        if self.depth > _DEPTH:
            raise SyntaxError
        value = self._negative()  # the sign binds tighter than the power: -2^2 is 4
        if self._take("^"):
            value = self._apply("^", value, self._signed())
        self.depth -= 1
        return value

    def _negative(self) -> Decimal:
        minus = 0
        while self._take("-"):
            minus += 1
        value = self._atom()
        return value if minus % 2 == 0 or value == 0 else value.copy_negate()

    def _atom(self) -> Decimal:
        if self._take("("):
            value = self._expression()
            self._need(")")
            return value
        if self.at >= len(self.tokens):
            raise SyntaxError
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return Decimal(text)
        if kind != "name":
            raise SyntaxError
        return self._call(text) if self._take("(") else self._variable(text)

    def _variable(self, name: str) -> Decimal:
        value = Decimal(self.scale) if name == "scale" else self.names.get(name, Decimal(0))
        operator = self._take("=", "+=", "-=", "*=", "/=", "%=", "^=")
        if not operator:
            return value
        right = self._expression()
        value = right if operator == "=" else self._apply(operator[0], value, right)
        if not self.live:
            return value
        if name == "scale":
            self.scale = min(max(int(value), 0), _MOST_SCALE)
        else:
            self.names[name] = value
        return value

    def _call(self, name: str) -> Decimal:
        value = self._expression()
        self._need(")")
        if not self.live:
            return Decimal(0)
        if name == "sqrt":
            if value < 0:
                raise _FaultError("Square root of a negative number")
            return _cut(value.sqrt(), max(self.scale, _scale(value)))
        if name == "scale":
            return Decimal(_scale(value))
        if name == "length":
            return Decimal(max(len(value.as_tuple().digits), _scale(value)))
        if self.library and name in _FUNCTIONS:
            return self._function(name, value)
        raise _FaultError(f"Function {name} not defined.")

    def _function(self, name: str, value: Decimal) -> Decimal:
        if name == "l" and value <= 0:
            return (1 - _ONE.scaleb(self.scale)).quantize(_ONE.scaleb(-self.scale))
        with localcontext(prec=self.scale + 40 + max(value.adjusted(), 0), rounding=ROUND_HALF_EVEN):
            result = _FUNCTIONS[name](value)
            if self.scale + result.adjusted() + 20 > 0:  # an exact 1 must not end as .999...
                result = result.quantize(_ONE.scaleb(-self.scale - 15))
        return _cut(result, self.scale).quantize(_ONE.scaleb(-self.scale))

    def _apply(self, operator: str, left: Decimal, right: Decimal) -> Decimal:
        if not self.live:
            return Decimal(0)
        if operator == "+":
            return left + right
        if operator == "-":
            return _cut(left - right, max(_scale(left), _scale(right)))
        if operator == "*":
            scales = _scale(left), _scale(right)
            return _cut(left * right, min(sum(scales), max(self.scale, *scales)))
        if operator == "^":
            return self._raise(left, right)
        if right == 0:
            raise _FaultError("Divide by zero" if operator == "/" else "Modulo by zero")
        quotient = _cut(left / right, self.scale)
        if operator == "/":
            return quotient.quantize(_ONE.scaleb(-self.scale))
        return _cut(left - quotient * right, max(self.scale + _scale(right), _scale(left)))

    def _raise(self, base: Decimal, exponent: Decimal) -> Decimal:
        power = int(exponent)
        if abs(power) * len(base.as_tuple().digits) > _PRECISION and base not in {0, 1}:
            raise _FaultError("exponent too large in raise")
        if power == 0:
            return _ONE
        if power < 0:
            if base == 0:
                raise _FaultError("Divide by zero")
            return _cut(_ONE / base**-power, self.scale).quantize(_ONE.scaleb(-self.scale))
        return _cut(base**power, min(_scale(base) * power, max(self.scale, _scale(base))))


def _tokens(line: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    line = line.strip()
    while at < len(line):
        match = _TOKEN.match(line, at)
        if match is None or match.lastgroup is None:
            raise SyntaxError
        tokens.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return tokens


def _arctangent(value: Decimal) -> Decimal:
    factor = 1
    while abs(value) > Decimal("0.1"):
        value, factor = value / (1 + (1 + value * value).sqrt()), factor * 2
    total, term, order = Decimal(0), value, 1
    while term and term.adjusted() > -_MOST_SCALE - 45:
        total += term / order
        term, order = -term * value * value, order + 2
    return total * factor


def _sine(value: Decimal) -> Decimal:
    value = value % (8 * _arctangent(_ONE))
    total, term, order = Decimal(0), value, 1
    while term and term.adjusted() > -_MOST_SCALE - 45:
        total += term
        term, order = -term * value * value / ((order + 1) * (order + 2)), order + 2
    return total


_FUNCTIONS: dict[str, Callable[[Decimal], Decimal]] = {
    "e": Decimal.exp,
    "l": Decimal.ln,
    "s": _sine,
    "c": lambda value: _sine(value + 2 * _arctangent(_ONE)),
    "a": _arctangent,
}
