"""Inputs as sidecars write them: short formulas over drawn numbers."""

import ast
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from converters.sidecar import NUMBER, Refused, rule, rule_generator

BINARY = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply}
IMAGES = re.compile(
    rf"clip\({NUMBER}\*rule_input\('([^']*)', \(([\w, ]+)\), (\w+)\) - {NUMBER}, "
    rf"-{NUMBER}, {NUMBER}\) as float32(?:; step e uses slice e)?"
)


def rule_input(name: str, shape: tuple[int, ...], seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """Return the input tensor of that name: standard normal times `scale`."""
    return (scale * rule_generator(name, seed).standard_normal(shape)).astype(np.float32)


def evaluate(text: str, symbols: Mapping[str, Any]) -> Any:
    """Return the value of a formula such as `clip(20*rule_input('x', (2, 64), 0) - 40, -80, 0)`.

    What follows the formula, such as ` as float32` or `, cast to float64`, is left out.

    Args:
        text: made of numbers, text, tuples, `+`, `-`, `*` and the functions `clip`, `rule_input`
            and those of `symbols`.
        symbols: values and functions by name.

    Raises:
        Refused: if it holds anything else.
    """
    formula = text.partition(" as ")[0].partition(", cast ")[0]
    try:
        tree = ast.parse(formula, mode="eval")
    except SyntaxError as error:
        raise Refused(f"not a formula: {text!r}") from error
    return _value(tree.body, {"clip": np.clip, "rule_input": rule_input, **symbols})


def _value(node: ast.expr, symbols: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=int() | float() | str() as value):
            return value
        case ast.Tuple(elts=parts):
            return tuple(_value(part, symbols) for part in parts)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, symbols)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            return BINARY[type(op)](_value(left, symbols), _value(right, symbols))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in symbols:
            return symbols[name](*(_value(argument, symbols) for argument in arguments))
        case ast.Name(id=name) if name in symbols:
            return symbols[name]
    raise Refused(f"not understood in a formula: {ast.unparse(node)!r}")


def image_rule(text: str, symbols: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the source of `clip(20*rule_input('x', (2, 64), 0) - 40, -80, 0) as float32`.

    None where the text is not like that; sizes and seed may be names of `symbols`.
    """
    found = IMAGES.fullmatch(text)
    if found is None:
        return None
    scale, name, sizes, seed, offset, low, high = found.groups()
    named = [symbols.get(x, x) for x in [*re.findall(r"\w+", sizes), seed]]
    *shape, seed_number = (int(x) for x in named)
    clip = [-float(low), float(high)]
    return rule(name, shape, seed_number, float(scale), -float(offset), clip=clip)
