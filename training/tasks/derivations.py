"""Turns annotators' derivations into short programs, and keeps only those whose result is the annotated answer."""

import ast
import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from common.calculator import ProgramError, calculate
from common.numbers import Scale, round_half_up

_SIGNS = str.maketrans({"[": "(", "]": ")", "{": "(", "}": ")", "–": "-", "−": "-", "—": "-", "×": "*", "÷": "/"})
_DROPPED = re.compile(r"[$£€¥%\s]|(?<=\d),(?=\d{3})|\b(?:US|RMB|USD|EUR|thousand|million|billion)\b", re.I)
_TIMES = re.compile(r"(?<=[\d)])\s*[xX]\s*(?=[\d(])")
_SCALED = re.compile(r"(\d[\d,.]*)\s*(thousand|million|billion)", re.I)
# Annotators round differently; a result this near to the answer is the same calculation.
_RELATIVE_SLACK = Fraction(1, 200)
_ABSOLUTE_SLACK = Fraction(11, 1000)


def program_for(derivation: str, answer: str, scale: Scale) -> str | None:
    """Return a program that gives `answer` in units of `scale` (points for percent); None where none is verified."""
    tree = parse_arithmetic(_clean(derivation, scale))
    if tree is None:
        return None
    try:
        gold = Fraction(Decimal(answer.replace(",", "").strip()))
    except (ArithmeticError, ValueError):
        return None
    try:
        candidates = list(_candidates(tree, scale))
    except ValueError:
        return None
    for exact in (True, False):
        for program in candidates:
            if matches(program, gold, exact=exact):
                return program
    return None


def parse_arithmetic(text: str) -> ast.expr | None:
    """Return the syntax tree of plain arithmetic with its digits kept; None where the text is anything else."""
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        return None
    allowed = (ast.BinOp, ast.UnaryOp, ast.Constant, ast.operator, ast.unaryop, ast.Call, ast.Name, ast.Load)
    if not all(isinstance(node, allowed) for node in ast.walk(tree)):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div):
            return None
        if isinstance(node, ast.Constant):
            node.kind = text[node.col_offset : node.end_col_offset]
    return tree


def write_program(tree: ast.expr) -> str:
    """Return the program text of a tree, `(a+b)/2` as `avg(a,b)`; raises ValueError where it is no arithmetic."""
    return _write(tree)


def matches(program: str, gold: Fraction, *, exact: bool) -> bool:
    """Return whether the program's value is the answer, to two decimals or within the annotators' rounding."""
    try:
        value = calculate(program).value
    except ProgramError:
        return False
    if value is None:
        return False
    if round_half_up(value, 2) == round_half_up(gold, 2):
        return True
    return not exact and abs(value - gold) <= max(_ABSOLUTE_SLACK, abs(gold) * _RELATIVE_SLACK)


def _candidates(tree: ast.expr, scale: Scale) -> Iterator[str]:
    trees = [tree, *_turned(tree)]
    if scale is Scale.PERCENT:
        for node in trees:
            yield _write(in_points(node))
    for node in trees:
        yield _write(node)
    if scale is Scale.PERCENT:
        for node in trees:
            yield f"100*({_write(node)})"
    for node in trees:
        for factor in ("1000", "1000000"):
            yield f"({_write(node)})/{factor}"


def _turned(tree: ast.expr) -> Iterator[ast.expr]:
    """Yield the calculation with its sign turned: annotators often state a decrease as a positive number."""
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Sub):
        yield ast.BinOp(tree.right, ast.Sub(), tree.left)
    yield ast.UnaryOp(ast.USub(), tree)


def in_points(node: ast.expr) -> ast.expr:
    """Return the calculation with its ratios in percentage points: `(a-b)/b` as `pct(a,b)`, `a/b` as `share(a,b)`."""
    if isinstance(node, ast.UnaryOp):
        return ast.UnaryOp(node.op, in_points(node.operand))
    if not isinstance(node, ast.BinOp):
        return node
    change = _change(node)
    if change is not None:
        return _call("pct", *change)
    if isinstance(node.op, ast.Mult) and _is_number(node.right, 100):
        return in_points(node.left)
    if isinstance(node.op, ast.Div):
        if _mean(node) is not None and _has_division(node.left):
            return ast.BinOp(in_points(node.left), ast.Div(), node.right)
        return _call("share", node.left, node.right)
    if isinstance(node.op, ast.Add | ast.Sub):
        return ast.BinOp(in_points(node.left), node.op, in_points(node.right))
    return node


def _change(node: ast.BinOp) -> tuple[ast.expr, ast.expr] | None:
    """Return (new, old) of `(new-old)/old` and of `new/old-1`."""
    top = node.left
    is_relative = isinstance(node.op, ast.Div) and isinstance(top, ast.BinOp) and isinstance(top.op, ast.Sub)
    if is_relative and isinstance(top, ast.BinOp) and ast.dump(top.right) == ast.dump(node.right):
        return top.left, node.right
    if isinstance(node.op, ast.Sub) and _is_number(node.right, 1):
        ratio = node.left
        if isinstance(ratio, ast.BinOp) and isinstance(ratio.op, ast.Div):
            return ratio.left, ratio.right
    return None


def _mean(node: ast.expr) -> list[ast.expr] | None:
    """Return the terms of `(a+b+...)/n` where n is their number."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)):
        return None
    terms = _terms(node.left)
    return terms if len(terms) > 1 and _is_number(node.right, len(terms)) else None


def _terms(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*_terms(node.left), *_terms(node.right)]
    return [node]


def _has_division(node: ast.expr) -> bool:
    return any(
        isinstance(part, ast.Div) or (isinstance(part, ast.Name) and part.id in ("pct", "share"))
        for part in ast.walk(node)
    )


def _is_number(node: ast.expr, value: float) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and node.value == value


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name), list(arguments), [])


def _write(node: ast.expr, tight: int = 0) -> str:
    """Return program text; `tight` is the binding strength around it (1 sum, 2 product, 3 right of - or /)."""
    terms = _mean(node)
    if terms is not None:
        return f"avg({','.join(_write(term) for term in terms)})"
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return _number(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return f"{node.func.id}({','.join(_write(argument) for argument in node.args)})"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _write(node.operand, 3)
        return inner[1:] if inner.startswith("-") else f"-{inner}"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd):
        return _write(node.operand, tight)
    if not isinstance(node, ast.BinOp):
        raise ValueError(f"{ast.dump(node)[:60]} is no arithmetic")
    return _binary(node, tight)


def _binary(node: ast.BinOp, tight: int) -> str:
    sign, strength = {ast.Add: ("+", 1), ast.Sub: ("-", 1), ast.Mult: ("*", 2), ast.Div: ("/", 2)}.get(
        type(node.op), ("", 0)
    )
    if not sign:
        raise ValueError("only + - * / are arithmetic here")
    right_strength = strength + 1 if sign in "-/" else strength
    right = _write(node.right, right_strength)
    text = f"{_write(node.left, strength)}{sign}{f'({right})' if right.startswith('-') else right}"
    return f"({text})" if strength < tight else text


def _number(node: ast.Constant) -> str:
    return str(node.kind)


def _clean(derivation: str, scale: Scale) -> str:
    text = _TIMES.sub("*", derivation.translate(_SIGNS))
    if scale.multiplier > 1:
        text = _SCALED.sub(lambda found: _rescaled(found, scale), text)
    text = _DROPPED.sub("", text)
    return re.sub(r"(?<![\d.])0+(?=\d)", "", text.rstrip("=;.,"))


def _rescaled(found: re.Match[str], scale: Scale) -> str:
    """Return a scaled number of the derivation in units of the answer's scale: 60.3 million is 60300 in thousand."""
    try:
        value = Fraction(Decimal(found[1].replace(",", "")))
    except ArithmeticError:
        return found[0]
    ratio = value * Scale(found[2].lower()).multiplier / scale.multiplier
    exact = round_half_up(ratio, 6).normalize()
    return f"{exact:f}"
