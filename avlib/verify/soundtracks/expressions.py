"""Inputs as the sidecars of this system write them: short formulas over drawn numbers."""

import ast
from collections.abc import Mapping
from typing import Any

import numpy as np

from avlib.verify.rule import rule_input

BINARY = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply}


def evaluate(text: str, symbols: Mapping[str, Any]) -> Any:
    """Return the value of a formula such as `clip(20*rule_input('x', (2, 64), 0) - 40, -80, 0)`.

    What follows the formula, such as ` as float32` or `, cast to float64`, is left out.

    Args:
        text: made of numbers, text, tuples, `+`, `-`, `*` and the functions `clip`, `rule_input`
            and those of `symbols`.
        symbols: values and functions by name.

    Raises:
        ValueError: if it holds anything else.
    """
    formula = text.partition(" as ")[0].partition(", cast ")[0]
    try:
        tree = ast.parse(formula, mode="eval")
    except SyntaxError as error:
        raise ValueError(f"not a formula: {text!r}") from error
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
    raise ValueError(f"not understood in a formula: {ast.unparse(node)!r}")
