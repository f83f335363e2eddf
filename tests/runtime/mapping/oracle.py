"""A slow second opinion on what a mapping means, written apart from the product: no code is shared, no formula text is
parsed.

It interprets the generated cases directly: `_path` holds the steps of a source path, `_tree` the formula as nested
tuples. Rounding goes by whole numbers, never by the decimal module's own rounding.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal

WIDE = Context(prec=400, Emax=100_000, Emin=-100_000)


class Refused(Exception):
    def __init__(self, field):
        super().__init__(field)
        self.field = field


class Bad(Exception):
    pass


def run(spec, document, correlation):
    return _fields(spec["fields"], spec.get("lookups", {}), document, document, correlation, "")


def _fields(fields, lookups, root, item, correlation, prefix):
    values = []
    for field in fields:
        try:
            value, present = _field(field, lookups, root, item, correlation, prefix)
        except Bad:
            raise Refused(prefix[:-1] if field["to"] == "." else prefix + field["to"]) from None
        values.append((field["to"], value, present))
    if len(fields) == 1 and fields[0]["to"] == ".":
        return values[0][1]
    out = {}
    for to, value, present in values:
        if present:
            place = out
            *way, last = to.split(".")
            for step in way:
                place = place.setdefault(step, {})
            place[last] = value
    return out


def _field(field, lookups, root, item, correlation, prefix):
    if "constant" in field:
        return field["constant"], True
    if "correlation" in field:
        if not isinstance(correlation, str):
            raise Bad
        return correlation, True
    if "each" in field:
        return _each(field, lookups, root, item, correlation, prefix)
    value = _tree(field["_tree"], lookups, root, item) if "formula" in field else _walk(field["_path"], root, item)
    if field.get("empty") == "missing" and value == "" and isinstance(value, str):
        value = None
    if "lookup" in field and value is not None:
        value = _lookup(lookups[field["lookup"]], value)
    if value is None:
        if field.get("required"):
            raise Bad
        if "default" in field:
            return _convert(field, field["default"], root, item), True
        return None, bool(field.get("write_null")) or field["to"] == "."
    return _convert(field, value, root, item), True


def _each(field, lookups, root, item, correlation, prefix):
    items = _walk(field["_path"], root, item)
    if items is None:
        if field.get("required"):
            raise Bad
        return ([], True) if "default" in field else (None, False)
    if not isinstance(items, list):
        raise Bad
    out = []
    for n, element in enumerate(items):
        here = f"{prefix}{field['to']}[{n}]."
        if "when" in field:
            try:
                chosen = _tree(field["_when"], lookups, root, element)
                if chosen is not None and not isinstance(chosen, bool):
                    raise Bad
            except Bad:
                raise Refused(here[:-1]) from None
            if chosen is not True:
                continue
        out.append(_fields(field["each"], lookups, root, element, correlation, here))
    return out, True


def _walk(path, root, item):
    steps = list(path)
    value = item
    if steps and steps[0] == "$":
        value, steps = root, steps[1:]
    first = True
    for step in steps:
        if value is None and not first:
            return None
        first = False
        if isinstance(step, str):
            if not isinstance(value, dict):
                raise Bad
            value = value.get(step)
        elif isinstance(step, int):
            if not isinstance(value, list):
                raise Bad
            value = value[step] if step < len(value) else None
        else:
            if not isinstance(value, list):
                raise Bad
            hits = [
                e
                for e in value
                if isinstance(e, dict) and e.get(step[0]) == step[1] and isinstance(e.get(step[0]), str)
            ]
            if len(hits) > 1:
                raise Bad
            value = hits[0] if hits else None
    return value


def _lookup(table, value):
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Bad
    if str(value) in table["values"]:
        return table["values"][str(value)]
    if "default" in table:
        return table["default"]
    raise Bad


def _number(value):
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Bad
    return value


def _text(value):
    if not isinstance(value, str):
        raise Bad
    return value


def _flag(value):
    if not isinstance(value, bool):
        raise Bad
    return value


def _fits(value):
    if isinstance(value, Decimal):
        digits = "".join(map(str, value.as_tuple().digits)).strip("0")
        if len(digits) > 38:
            raise Bad
    return value


def _as_number(value):
    if isinstance(value, str):
        if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value) or len(value.lstrip("-")) > 39:
            raise Bad
        return Decimal(value)
    return _number(value)


def _round(value, scale, mode):
    """By whole numbers: value * 10^scale as a fraction, then the nearest integer."""
    top, under = value.as_integer_ratio()
    return _nearest(top * 10**scale, under, scale, mode)


def _nearest(top, under, scale, mode):
    if under < 0:
        top, under = -top, -under
    sign, top = (-1, -top) if top < 0 else (1, top)
    low = top // under
    rest = top - low * under
    if rest * 2 > under or (rest * 2 == under and (mode == "half_up" or low % 2 == 1)):
        low += 1
    if low >= 10**38:
        raise Bad
    return Decimal((0 if sign > 0 or not low else 1, tuple(map(int, str(low))), -scale))


def _class(value):
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | Decimal):
        return "number"
    if isinstance(value, str):
        return "text"
    raise Bad


def _tree(tree, lookups, root, item):
    op, *args = tree
    if op == "literal":
        return args[0]
    if op == "read":
        return _walk(args[0], root, item)
    if op in ("sum", "count"):
        return _aggregate(op, args, root, item)
    if op in ("and", "or"):
        decides = op == "or"
        left = _tree(args[0], lookups, root, item)
        if left is not None and _flag(left) is decides:
            return decides
        right = _tree(args[1], lookups, root, item)
        if right is not None and _flag(right) is decides:
            return decides
        return None if left is None or right is None else not decides
    if op == "if":
        test = _tree(args[0], lookups, root, item)
        if test is None:
            return None
        if _flag(test):
            return _tree(args[1], lookups, root, item)
        return _tree(args[2], lookups, root, item) if len(args) > 2 else None
    if op == "coalesce":
        for arg in args:
            value = _tree(arg, lookups, root, item)
            if value is not None:
                return value
        return None
    if op == "exists":
        return _tree(args[0], lookups, root, item) is not None
    plain = [a for a in args if isinstance(a, tuple)]
    settings = [a for a in args if not isinstance(a, tuple)]
    given = [_tree(a, lookups, root, item) for a in plain]
    wanted = {
        "+": _number,
        "-": _number,
        "*": _number,
        "neg": _number,
        "not": _flag,
        "abs": _number,
        "min": _number,
        "max": _number,
        "round_half_up": _number,
        "round_half_even": _number,
        "divide": _number,
        "concat": _text,
        "upper": _text,
        "lower": _text,
        "trim": _text,
        "pad_left": _text,
        "pad_right": _text,
        "strip_leading_zeros": _text,
        "substring": _text,
        "replace": _text,
        "length": _text,
    }.get(op)
    if wanted:
        for value in given:
            if value is not None:
                wanted(value)
    if any(value is None for value in given):
        return None
    return _fits(_apply(op, given, settings, lookups))


def _apply(op, given, settings, lookups):
    a = given[0]
    b = given[1] if len(given) > 1 else None
    if op in ("==", "!=", "<", "<=", ">", ">="):
        if _class(a) != _class(b) or (_class(a) == "boolean" and op not in ("==", "!=")):
            raise Bad
        return {"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]
    if op in ("+", "-", "*"):
        if isinstance(a, int) and isinstance(b, int):
            return {"+": a + b, "-": a - b, "*": a * b}[op]
        a, b = Decimal(a), Decimal(b)
        return {"+": WIDE.add, "-": WIDE.subtract, "*": WIDE.multiply}[op](a, b)
    if op == "divide":
        if b == 0:
            raise Bad
        (p, q), (r, s) = a.as_integer_ratio(), b.as_integer_ratio()
        return _nearest(p * s * 10 ** settings[0], q * r, settings[0], settings[1])
    if op in ("round_half_up", "round_half_even"):
        return _round(Decimal(a), settings[0], op[6:])
    if op == "lookup":
        return _lookup(lookups[settings[0]], a)
    simple = {
        "neg": lambda: a * -1 if isinstance(a, int) else WIDE.minus(a),
        "not": lambda: a is False,
        "abs": lambda: a if a >= 0 else (-a if isinstance(a, int) else WIDE.minus(a)),
        "min": lambda: sorted(given)[0],
        "max": lambda: sorted(given)[-1],
        "number": lambda: _as_number(a),
        "text": lambda: _plain(a),
        "concat": lambda: "".join(given),
        "upper": lambda: a.upper(),
        "lower": lambda: a.lower(),
        "trim": lambda: a.strip(),
        "pad_left": lambda: settings[1] * (settings[0] - len(a)) + a,
        "pad_right": lambda: a + settings[1] * (settings[0] - len(a)),
        "strip_leading_zeros": lambda: re.sub(r"^0+(?=.)", "", a),
        "substring": lambda: a[settings[0] :][: settings[1]],
        "replace": lambda: settings[1].join(a.split(settings[0])),
        "length": lambda: len(a),
    }
    return simple[op]()


def _unsigned(value):
    """There is no negative zero."""
    return value.copy_abs() if value == 0 else value


def _plain(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{_unsigned(value):f}"
    if isinstance(value, int | str):
        return str(value)
    raise Bad


def _aggregate(op, args, root, item):
    items = _walk(args[0], root, item)
    if items is None:
        return None
    if not isinstance(items, list):
        raise Bad
    if op == "count":
        return len(items)
    result, unknown = 0, False
    for element in items:
        value = element
        for key in args[1]:
            if value is None:
                break
            if not isinstance(value, dict):
                raise Bad
            value = value.get(key)
        if value is None:
            unknown = True
            continue
        _number(value)
        both = isinstance(result, int) and isinstance(value, int)
        result = result + value if both else _fits(WIDE.add(Decimal(result), Decimal(value)))
    return None if unknown else result


def _convert(field, value, root, item):
    kind = field["type"]
    if kind == "string":
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        value = _text(value)
        value = value.strip() if field.get("trim") else value
        if len(value) > field.get("max_length", 10**9):
            raise Bad
        return value
    if kind == "integer":
        if isinstance(value, str):
            if not re.fullmatch(r"-?[0-9]{1,38}", value):
                raise Bad
            return int(value)
        if _number(value) != int(value):
            raise Bad
        return int(value)
    if kind == "decimal":
        result = _scaled(_as_number(value), field.get("scale"), field.get("rounding", "exact"))
        return f"{result:f}" if field.get("write") == "text" else result
    if kind == "money":
        currency = field["currency"]
        if isinstance(currency, dict):
            currency = _walk(field["_currency"], root, item)
        if not isinstance(currency, str) or not re.fullmatch("[A-Z]{3}", currency):
            raise Bad
        scale = field.get("scale", {"JPY": 0, "KWD": 3}.get(currency, 2))
        amount = _scaled(_as_number(value), scale, field.get("rounding", "exact"))
        shapes = {
            "number": amount,
            "text": f"{amount:f}",
            "minor": int(WIDE.scaleb(amount, scale)),
            "object": {"amount": amount, "currency": currency},
        }
        return shapes[field.get("write", "object")]
    if kind == "boolean":
        if isinstance(value, str):
            if value in field.get("true_values", ()):
                return True
            if value in field.get("false_values", ()):
                return False
        return _flag(value)
    if kind in ("date", "datetime"):
        return _moment(field, _text(value))
    if _holds_float(value):
        raise Bad
    return value


def _holds_float(value):
    if isinstance(value, dict):
        return any(_holds_float(v) for v in value.values())
    return any(_holds_float(v) for v in value) if isinstance(value, list) else isinstance(value, float)


def _scaled(value, scale, rounding):
    if scale is None:
        return _unsigned(Decimal(value))
    result = _unsigned(_round(Decimal(value), scale, "half_up" if rounding == "exact" else rounding))
    if rounding == "exact" and result != value:
        raise Bad
    return result


def _moment(field, value):
    source, write = field.get("format", "iso"), field.get("write", "iso")
    is_date = field["type"] == "date"
    try:
        if source == "odata_v2":
            found = re.fullmatch(r"/Date\((-?[0-9]{1,15})([+-][0-9]{1,4})?\)/", value)
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(found.group(1)))
        elif is_date:
            pattern = "%Y-%m-%d" if source == "iso" else "%Y%m%d"
            if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}" if source == "iso" else r"[0-9]{8}", value):
                raise Bad
            moment = datetime.strptime(value, pattern).replace(tzinfo=UTC)
        else:
            moment = datetime.strptime(value, "%Y-%m-%dT%H:%M:%S%z").astimezone(UTC)
    except (ValueError, AttributeError, OverflowError):
        raise Bad from None
    if write == "odata_v2":
        if is_date:
            moment = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        return f"/Date({int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)})/"
    year = f"{moment.year:04}"
    if is_date:
        return year + moment.strftime("-%m-%d" if write == "iso" else "%m%d")
    fraction = f".{moment.microsecond // 1000:03}" if moment.microsecond else ""
    return year + (
        moment.strftime("-%m-%dT%H:%M:%S") + fraction + "Z" if write == "iso" else moment.strftime("%m%d%H%M%S")
    )
