"""Seeded random mappings and documents: the spec that the product parses, and the same thing as data for the oracle."""

import random
from decimal import Decimal

NUMBERS = ("n", "m", "price")
TEXTS = ("s", "t", "code", "o:odd name")
ALL = (*NUMBERS, *TEXTS, "flag", "day", "at", "ms", "obj", "rows", "currency", "absent")


def case(seed, documents=10):
    """(spec with `_` keys for the oracle, list of documents)."""
    rng = random.Random(seed)
    lookups = {
        "kinds": {"version": 1, "values": {"A": "Alpha", "B": "Beta", "7": "Seven", "x": "X"}},
        "rates": {"version": "2", "values": {"A": 19, "B": "7.5"}, "default": 0},
    }
    spec = {"mapping": f"case {seed}", "version": 1, "lookups": lookups, "fields": _fields(rng, 0, rng.randint(1, 7))}
    return spec, [document(rng) for _ in range(documents)]


def strip(spec):
    """The spec as a user would write it."""
    if isinstance(spec, dict):
        return {k: strip(v) for k, v in spec.items() if not k.startswith("_")}
    return [strip(v) for v in spec] if isinstance(spec, list) else spec


def _fields(rng, depth, count):
    names = rng.sample(["a", "b", "c", "d.x", "d.y", "e.f.g", "e.f.h", "e.i", "j", "k"], count)
    return [_field(rng, depth, name) for name in names]


def _field(rng, depth, to):
    roll = rng.random()
    if roll < 0.05:
        return {"to": to, "constant": rng.choice(["EUR", 7, True, None, [1, "two"], {"a": {"b": 1}}])}
    if roll < 0.08:
        return {"to": to, "correlation": True}
    if roll < 0.30 and depth < 2:
        path = rng.choice([["rows"], ["obj", "rows"], ["absent"], ["subs"]]) if rng.random() < 0.97 else ["n"]
        field = {"to": to, "from": _spell(path), "_path": path}
        if rng.random() < 0.15:
            inner = _typed(rng, {"to": ".", "from": ".", "_path": []}, depth + 1)
            field["each"] = [inner]
            field["from"], field["_path"] = "tags", ["tags"]
        else:
            field["each"] = _fields(rng, depth + 1, rng.randint(1, 4))
            if rng.random() < 0.3:
                tree = _boolean(rng, 2)
                field |= {"when": render(tree), "_when": tree}
        rule = rng.random()
        if rule < 0.3:
            field["required"] = True
        elif rule < 0.5:
            field["default"] = []
        return field
    if roll < 0.62:
        path = _path(rng, rng.choice(ALL), depth)
        return _typed(rng, {"to": to, "from": _spell(path), "_path": path}, depth)
    kind = rng.choice(["number", "number", "text", "boolean"])
    tree = {"number": _number, "text": _text, "boolean": _boolean}[kind](rng, 3)
    field = {"to": to, "formula": render(tree), "_tree": tree}
    types = {"number": ["decimal", "integer", "money"], "text": ["string", "string", "date"], "boolean": ["boolean"]}
    return _typed(rng, field, depth, rng.choice(types[kind]))


def _typed(rng, field, depth, kind=None):
    last = next((s for s in reversed(field.get("_path", [])) if isinstance(s, str)), "")
    kind = (
        kind
        or {
            "flag": "boolean",
            "day": "date",
            "at": "datetime",
            "ms": "datetime",
            "n": "integer",
            "price": "money",
            "m": "decimal",
            "obj": "any",
            "rows": "any",
        }.get(last)
        or "string"
    )
    if "formula" not in field and rng.random() < 0.08:
        kind = rng.choice(["string", "integer", "decimal", "boolean", "date"])
    field["type"] = kind
    if kind in ("decimal", "money"):
        if kind == "money":
            field["currency"] = rng.choice(["EUR", "JPY", "KWD", {"from": "currency"}, {"from": "$.currency"}])
            if isinstance(field["currency"], dict):
                field["_currency"] = ["$", "currency"] if "$" in field["currency"]["from"] else ["currency"]
            field["write"] = rng.choice(["object", "number", "text", "minor"])
        elif rng.random() < 0.3:
            field["write"] = "text"
        if rng.random() < 0.8:
            field["scale"] = rng.choice([0, 1, 2, 2, 2, 3, 4])
            field["rounding"] = rng.choice(["exact", "half_up", "half_even"])
    elif kind == "string":
        if rng.random() < 0.3:
            field["max_length"] = rng.choice([0, 3, 5, 12])
        if rng.random() < 0.3:
            field["trim"] = True
        if "formula" not in field and rng.random() < 0.25:
            field["lookup"] = rng.choice(["kinds", "rates"])
    elif kind == "boolean" and rng.random() < 0.5:
        field |= {"true_values": ["X", "yes"], "false_values": ["", "no"]}
    elif kind in ("date", "datetime"):
        field["format"] = (
            "odata_v2"
            if last == "ms"
            else rng.choice(["iso", "iso", "odata_v2", "compact"] if kind == "date" else ["iso"])
        )
        field["write"] = rng.choice(["iso", "compact", "odata_v2"])
    rule = rng.random()
    if rule < 0.35:
        field["required"] = True
    elif rule < 0.5 and not isinstance(field.get("currency"), dict):
        defaults = {"string": "", "integer": 0, "decimal": "1", "money": "2", "boolean": False, "any": []}
        if kind in defaults:
            field["default"] = defaults[kind]
    elif rule < 0.6:
        field["write_null"] = True
    if rng.random() < 0.1:
        field["empty"] = "missing"
    return field


def _path(rng, name, depth):
    roll = rng.random()
    if roll < 0.15:
        return ["obj", name]
    if roll < 0.20:
        return ["rows", rng.randint(0, 2), name]
    if roll < 0.26:
        return ["rows", ("code", rng.choice(["A", "B"])), name]
    if roll < 0.29:
        return ["obj", "obj", name]
    if roll < 0.34:
        return [name, "deeper"] if name != "rows" else [name]
    return ["$", name] if depth and roll < 0.5 else [name]


def _spell(path):
    out = ""
    for step in path:
        if isinstance(step, int):
            out += f"[{step}]"
        elif isinstance(step, tuple):
            out += f"[{step[0]}='{step[1]}']"
        else:
            out += ("." if out else "") + (f"`{step}`" if " " in step or ":" in step else step)
    return out


def _read(rng, names):
    return ("read", _path(rng, rng.choice(names if rng.random() < 0.96 else ALL), 1 if rng.random() < 0.3 else 0))


def _number(rng, depth):
    roll = rng.random()
    if depth == 0 or roll < 0.25:
        if rng.random() < 0.3:
            return ("literal", rng.choice([0, 1, 2, 100, Decimal("0.5"), Decimal("1.19"), Decimal("2.675")]))
        return _read(rng, NUMBERS)
    if roll < 0.55:
        return (rng.choice(["+", "-", "*"]), _number(rng, depth - 1), _number(rng, depth - 1))
    if roll < 0.68:
        return (rng.choice(["round_half_up", "round_half_even"]), _number(rng, depth - 1), rng.randint(0, 3))
    if roll < 0.74:
        return (
            "divide",
            _number(rng, depth - 1),
            _number(rng, depth - 1),
            rng.randint(0, 6),
            rng.choice(["half_up", "half_even"]),
        )
    if roll < 0.78:
        return (
            rng.choice(["sum"]),
            rng.choice([["rows"], ["obj", "rows"]]),
            ["price"] if rng.random() < 0.8 else ["obj", "n"],
        )
    if roll < 0.80:
        return ("count", ["rows"])
    if roll < 0.85:
        return ("number", _read(rng, (*NUMBERS, "digits", "digits")))
    if roll < 0.90:
        return (rng.choice(["neg", "abs"]), _number(rng, depth - 1))
    if roll < 0.93:
        return (rng.choice(["min", "max"]), _number(rng, depth - 1), _number(rng, depth - 1))
    if roll < 0.96:
        return ("coalesce", _number(rng, depth - 1), _number(rng, depth - 1))
    if roll < 0.97:
        return ("length", _text(rng, depth - 1))
    return ("if", _boolean(rng, depth - 1), _number(rng, depth - 1), _number(rng, depth - 1))


def _text(rng, depth):
    roll = rng.random()
    if depth == 0 or roll < 0.25:
        return ("literal", rng.choice(["", "-", "it's", "Ä"])) if rng.random() < 0.3 else _read(rng, TEXTS)
    if roll < 0.4:
        return ("concat", *[_text(rng, depth - 1) for _ in range(rng.randint(1, 3))])
    if roll < 0.55:
        return (rng.choice(["upper", "lower", "trim", "strip_leading_zeros"]), _text(rng, depth - 1))
    if roll < 0.65:
        return (rng.choice(["pad_left", "pad_right"]), _text(rng, depth - 1), rng.randint(1, 8), rng.choice("0 x"))
    if roll < 0.72:
        return ("substring", _text(rng, depth - 1), rng.randint(0, 4), rng.randint(1, 4))
    if roll < 0.78:
        return ("replace", _text(rng, depth - 1), rng.choice(["0", "A", "aa"]), rng.choice(["", "B", "aaa"]))
    if roll < 0.86:
        return ("text", _number(rng, depth - 1))
    if roll < 0.93:
        return ("coalesce", _text(rng, depth - 1), _text(rng, depth - 1))
    return (
        "if",
        _boolean(rng, depth - 1),
        _text(rng, depth - 1),
        *([_text(rng, depth - 1)] if rng.random() < 0.6 else []),
    )


def _boolean(rng, depth):
    roll = rng.random()
    if depth == 0 or roll < 0.15:
        return ("literal", rng.random() < 0.5) if rng.random() < 0.2 else _read(rng, ("flag",))
    if roll < 0.5:
        op = rng.choice(["==", "!=", "<", "<=", ">", ">="])
        kind = rng.choice([_number, _text])
        return (op, kind(rng, depth - 1), kind(rng, depth - 1))
    if roll < 0.75:
        return (rng.choice(["and", "or"]), _boolean(rng, depth - 1), _boolean(rng, depth - 1))
    if roll < 0.85:
        return ("not", _boolean(rng, depth - 1))
    return ("exists", _read(rng, ALL))


def render(tree):
    """A tree as formula text, fully bracketed."""
    op, *args = tree
    if op == "literal":
        value = args[0]
        if isinstance(value, bool):
            return str(value).lower()
        return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)
    if op == "read":
        return _spell(args[0])
    if op == "sum":
        return f"sum({_spell(args[0])}[].{_spell(args[1])})"
    if op == "count":
        return f"count({_spell(args[0])}[])"
    shown = [render(a) if isinstance(a, tuple) else f"'{a}'" if isinstance(a, str) else str(a) for a in args]
    if op == "neg":
        return f"-({shown[0]})"
    if op == "not":
        return f"not ({shown[0]})"
    if op in ("+", "-", "*", "==", "!=", "<", "<=", ">", ">=", "and", "or"):
        return f"({shown[0]}) {op} ({shown[1]})"
    return f"{op}({', '.join(shown)})"


def document(rng, depth=0):
    out = {}
    for name in NUMBERS:
        out[name] = _noisy(
            rng,
            lambda: rng.choice([rng.randint(-5, 200), Decimal(rng.randint(-50000, 50000)).scaleb(-rng.randint(1, 4))]),
        )
    out["n"] = _noisy(rng, lambda: rng.randint(-5, 200))
    if rng.random() < 0.01:
        out["m"] = Decimal(rng.randint(10**36, 10**38)).scaleb(-3)
    for name in TEXTS:
        out[name] = _noisy(
            rng, lambda: rng.choice(["A", "B", "", " x ", "0007", "000", "Größe", "x" * rng.randint(0, 14)])
        )
    out["digits"] = _noisy(rng, lambda: rng.choice(["12.50", "-3", "0.10", "1e5", "", "٣", "007", " 1", "1.", "1,5"]))
    out["flag"] = _noisy(
        rng, lambda: rng.choice([True, False, "X", "no"]) if rng.random() < 0.2 else rng.random() < 0.5
    )
    out["day"] = _noisy(
        rng,
        lambda: rng.choice(["2026-03-05", "2024-02-29", "2023-02-29", "20260305", "/Date(1459900800000)/", "5.3.2026"]),
    )
    out["at"] = _noisy(
        rng, lambda: rng.choice(["2026-03-05T10:11:12Z", "2026-03-05T00:11:12+02:00", "2026-03-05T10:11:12"])
    )
    out["ms"] = _noisy(
        rng,
        lambda: rng.choice(
            ["/Date(1459900800123)/", "/Date(-62135596800000)/", "/Date(1459900800000+0060)/", "/Date(x)/"]
        ),
    )
    out["currency"] = _noisy(rng, lambda: rng.choice(["EUR", "JPY", "KWD", "eur"]))
    out["tags"] = _noisy(rng, lambda: [rng.choice(["A", "B", " c ", 7, None]) for _ in range(rng.randint(0, 3))])
    if depth < 2:
        out["obj"] = _noisy(rng, lambda: document(rng, depth + 1))
        out["rows"] = _noisy(rng, lambda: [document(rng, depth + 1) for _ in range(rng.randint(0, 3))])
        out["subs"] = _noisy(rng, lambda: [document(rng, 2) for _ in range(rng.randint(0, 2))])
    return {k: v for k, v in out.items() if rng.random() < 0.985}


def _noisy(rng, make):
    """Mostly what is expected; sometimes null, sometimes something else."""
    roll = rng.random()
    if roll < 0.985:
        return make()
    return None if roll < 0.995 else rng.choice([True, 0, "text", Decimal("1.23456"), 1.5, [], {}, [1]])
