"""Does a node accept a given value? Yes, no, or None where it cannot be told (formats, unreadable patterns)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from tillgate_contracts.compare.schema.build import Builder
from tillgate_contracts.compare.schema.node import Node, is_plain
from tillgate_contracts.compare.schema.patterns import matches
from tillgate_contracts.compare.schema.source import Parts
from tillgate_contracts.compare.schema.values import has_type, is_number, json_type, value_key

_DEPTH = 40
Answer = bool | None


def all_of(answers: list[Answer]) -> Answer:
    if any(answer is False for answer in answers):
        return False
    return None if any(answer is None for answer in answers) else True


def is_multiple(value: Any, factor: Any) -> bool:
    try:
        return Decimal(str(value)) % Decimal(str(factor)) == 0
    except (InvalidOperation, ZeroDivisionError):
        return False


def accepts(builder: Builder, node: Node, value: Any, depth: int = 0) -> Answer:
    """True, False, or None when the answer depends on a format, an unreadable pattern or an unresolved reference."""
    if depth > _DEPTH:
        return None
    if node.never:
        return False
    kind = json_type(value)
    if not has_type(node.types, kind):
        return False
    if node.enum is not None and value_key(value) not in node.enum:
        return False
    answers: list[Answer] = [None] if node.unresolved else []
    if is_number(value):
        answers.append(_number(node, value))
    elif isinstance(value, str):
        answers.append(_string(node, value))
    elif isinstance(value, list):
        answers.append(_array(builder, node, value, depth))
    elif isinstance(value, dict):
        answers.append(_object(builder, node, value, depth))
    if False in answers:
        return False

    def ask(parts: Parts) -> Answer:
        return accepts(builder, builder.node(parts), value, depth + 1)

    for group in node.groups:
        given = [ask(branch) for branch in group.branches]
        for first, number in reversed(group.nested):
            given[first : first + number] = [_union(group.kind, given[first : first + number])]
        answers.append(_union(group.kind, given))
    for negated in node.nots:
        answer = ask(negated)
        answers.append(None if answer is None else not answer)
    for conditional in node.conditionals:
        chosen = ask(conditional.condition)
        if chosen is None:
            answers.append(None)
        else:
            answers.append(ask(conditional.then if chosen else conditional.otherwise))
    return all_of(answers)


def _union(kind: str, given: list[Answer]) -> Answer:
    yes, unknown = given.count(True), given.count(None)
    if kind == "anyOf":
        return True if yes else (None if unknown else False)
    if yes > 1:
        return False
    if unknown:
        return None
    return yes == 1


def _number(node: Node, value: Any) -> Answer:
    if node.low is not None and (value < node.low.value or (node.low.exclusive and value == node.low.value)):
        return False
    if node.high is not None and (value > node.high.value or (node.high.exclusive and value == node.high.value)):
        return False
    if not all(is_multiple(value, factor) for factor in node.multiples):
        return False
    return None if node.formats else True


def _string(node: Node, value: str) -> Answer:
    if len(value) < node.min_length or (node.max_length is not None and len(value) > node.max_length):
        return False
    answer: Answer = None if node.formats or node.content_encoding or node.content_media_type else True
    for pattern in node.patterns:
        found = matches(pattern, value)
        if found is False:
            return False
        if found is None:
            answer = None
    return answer


def _array(builder: Builder, node: Node, value: list[Any], depth: int) -> Answer:
    if len(value) < node.min_items or (node.max_items is not None and len(value) > node.max_items):
        return False
    if node.unique and len({value_key(item) for item in value}) < len(value):
        return False
    rest = node.items
    if rest is None and node.unevaluated_items is not None and is_plain(node):
        rest = node.unevaluated_items
    answers: list[Answer] = [None] if node.unevaluated_items is not None and not is_plain(node) else []
    for index, item in enumerate(value):
        parts = node.prefix[index] if index < len(node.prefix) else rest
        if parts:
            answers.append(accepts(builder, builder.node(parts), item, depth + 1))
    for need in node.contains:
        found = [accepts(builder, builder.node(need.schema), item, depth + 1) for item in value]
        yes, unknown = found.count(True), found.count(None)
        if yes + unknown < need.least or (need.most is not None and yes > need.most):
            answers.append(False)
        elif unknown:
            answers.append(None)
    return all_of(answers)


def parts_for(node: Node, name: str) -> Parts:
    """What a node demands of the value under one property name (empty: nothing)."""
    if name in node.properties:
        return node.properties[name]
    found = tuple(
        part for pattern, parts in node.pattern_properties.items() if matches(pattern, name) for part in parts
    )
    if not found and node.additional is not None:
        found = node.additional
    if not found and node.unevaluated_properties is not None and is_plain(node):
        found = node.unevaluated_properties
    return found


def _object(builder: Builder, node: Node, value: dict[str, Any], depth: int) -> Answer:
    if len(value) < node.min_properties or (node.max_properties is not None and len(value) > node.max_properties):
        return False
    if any(name not in value for name in node.required):
        return False
    if any(name in value and not needed <= value.keys() for name, needed in node.dependent_required.items()):
        return False
    open_end = node.unevaluated_properties is not None and not is_plain(node)
    answers: list[Answer] = [None] if open_end else []
    for name, item in value.items():
        if any(matches(pattern, name) is None for pattern in node.pattern_properties):
            answers.append(None)
            continue
        parts = parts_for(node, name)
        if parts:
            answers.append(accepts(builder, builder.node(parts), item, depth + 1))
        if node.names is not None:
            answers.append(accepts(builder, builder.node(node.names), name, depth + 1))
    for name, parts in node.dependent_schemas.items():
        if name in value:
            answers.append(accepts(builder, builder.node(parts), value, depth + 1))
    return all_of(answers)
