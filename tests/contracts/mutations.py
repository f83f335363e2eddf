"""Broken contracts for the hostile tests and the long fuzz run: bytes are damaged, values exchanged, and bombs are
built."""

from __future__ import annotations

import copy
import functools
import json
import random
from typing import Any

DICTIONARY: tuple[bytes, ...] = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b":",
        b",",
        b"\\",
        b"\n",
        b"\t",
        b"&a ",
        b"*a",
        b"<<: *a",
        b"---\n",
        b"!!python/object",
        b"%TAG",
    ),
    *(
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"NaN",
        b"1e999",
        b"-0",
        b"9" * 40,
        b"=",
        b"~",
        b"null",
        b"true",
    ),
    *(
        b'"$ref": "#"',
        b'"$ref": "#/paths"',
        b'"$id": "x:y"',
        b"$ref: '../../etc/passwd'",
        b"$anchor: a",
        b"$dynamicRef: '#a'",
    ),
    *(b"<!DOCTYPE a>", b"<!--", b"-->", b"&amp;", b"&x;", b"<![CDATA[", b"<a>", b"</a>", b"xmlns=''", b"\xc3"),
)
STRANGE: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        10**30,
        "",
        "x",
        "#",
        "#/",
        "#/paths/~",
        "http://[",
        "\ud7ff",
        [],
        {},
        [[]],
        [None],
        {"": {}},
    ),
    *(
        {"$ref": "#"},
        {"$ref": 1},
        {"$ref": "#/nope"},
        {"type": []},
        {"allOf": [{}]},
        {"properties": {"a": {"$ref": "#"}}},
    ),
)


def damage(data: bytes, chance: random.Random) -> bytes:
    """Some bytes cut, doubled, exchanged or inserted."""
    made = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(made) + 1)
        end = min(len(made), at + chance.choice((1, 2, 8, 64, 500)))
        match chance.randrange(6):
            case 0:
                del made[at:end]
            case 1:
                made[at:at] = made[at:end]
            case 2:
                made[at:end] = bytes(chance.randrange(256) for _ in range(min(end - at, 8)))
            case 3:
                made[at:at] = chance.choice(DICTIONARY)
            case 4:
                other = chance.randrange(len(made) + 1)
                made[at:at] = made[other : other + 200]
            case _:
                made = made[: max(1, at)] if chance.random() < 0.3 else made
        if not made:
            made = bytearray(b"{")
    return bytes(made)


def disturb(tree: Any, chance: random.Random) -> Any:
    """A copy of a parsed contract in which some values are replaced, moved or renamed."""
    made = copy.deepcopy(tree)
    places: list[tuple[Any, Any]] = []
    stack: list[Any] = [made]
    while stack:
        value = stack.pop()
        items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
        places += [(value, key) for key, _ in items]
        stack += [item for _, item in items if isinstance(item, dict | list)]
    for _ in range(chance.randint(1, 5)):
        holder, key = chance.choice(places)
        try:
            match chance.randrange(4):
                case 0:
                    holder[key] = copy.deepcopy(chance.choice(STRANGE))
                case 1:
                    other, name = chance.choice(places)
                    holder[key] = copy.deepcopy(other[name])
                case 2 if isinstance(holder, dict):
                    other, name = chance.choice(places)
                    holder[str(name)] = holder.pop(key)
                case _:
                    del holder[key]
        except (KeyError, IndexError):
            continue  # an earlier step took the place away
    return made


@functools.cache
def bombs() -> dict[str, bytes]:
    """Documents that are small on disk or cheap to send, and costly to a careless reader."""
    laughs = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    laughs += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    merges = ["$defs:", "  m0: &m0 {a: 1}"] + [
        f"  m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}], k{n}: [*m{n - 1}, *m{n - 1}]}}" for n in range(1, 40)
    ]
    edmx = b'<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
    edmx += (
        b'<Schema Namespace="a" xmlns="http://docs.oasis-open.org/odata/ns/edm">'
        b'<EntityType Name="T"><Key><PropertyRef Name="k"/></Key>'
    )
    edmx += b'<Property Name="k" Type="Edm.Int32"/>'
    edmx += b"".join(b'<NavigationProperty Name="n%d" Type="a.T"/>' % n for n in range(3000))
    edmx += b'</EntityType><EntityContainer Name="C">' + b"".join(
        b'<EntitySet Name="s%d" EntityType="a.T"/>' % n for n in range(3000)
    )
    edmx += b"</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"
    entities = b"<!DOCTYPE lolz [<!ENTITY lol 'lol'>" + b"".join(
        b"<!ENTITY lol%d '%s'>" % (n, b"&lol%d;" % (n - 1) * 10 if n > 1 else b"&lol;" * 10) for n in range(1, 10)
    )
    return {
        "yaml_aliases": "\n".join(laughs).encode(),
        "yaml_merges": "\n".join(merges).encode(),
        "yaml_long_alias": b"type: object\nx-a: &a '" + b"y" * 1_000_000 + b"'\nx-b: [" + b"*a, " * 200 + b"]\n",
        "yaml_flow_depth": b"a: " + b"[" * 200_000,
        "yaml_block_depth": "\n".join(" " * n + f"k{n}:" for n in range(2000)).encode(),
        "yaml_dashes": b"- " * 100_000 + b"a",
        "yaml_question": b"? " * 50_000,
        "yaml_braces": b"{" * 100_000,
        "yaml_anchors": b"type: [" + b"".join(b"&a%d x, " % n for n in range(100_000)) + b"]",
        "json_depth_lists": b"[" * 1_000_000,
        "json_depth_objects": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
        "json_depth_just_over": b'{"allOf":[' * 100 + b"{}" + b"]}" * 100,
        "json_escaped_quotes": b'{"a":1,"a":2,"' + b'\\"' * 2_000_000,
        "json_many_values": b'{"type":"string","enum":[' + b"0," * 2_100_000 + b"0]}",
        "json_digits": b'{"type":"number","maximum":' + b"9" * 1_000_000 + b"}",
        "json_long_reference_chain": json.dumps(
            {"$defs": {f"a{n}": {"$ref": f"#/$defs/a{n + 1}"} for n in range(3000)}}
        ).encode(),
        "json_doubling": json.dumps(
            {
                "$defs": {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)},
                "$ref": "#/$defs/a0",
            }
        ).encode(),
        "json_wide_reference": json.dumps({"$defs": {"a": {"$ref": "#" + "/a" * 200_000}}}).encode(),
        "json_ids": json.dumps(
            {"$defs": {f"d{n}": {"$id": f"http://h/{n}/", "$ref": f"../{n + 1}/"} for n in range(1_500)}}
        ).encode(),
        "large": b" " * 100 * 1024 * 1024,
        "large_json": b'{"openapi":"3.0.0","x":"' + b"a" * 20 * 1024 * 1024 + b'"}',
        "xml_entities": entities + b"]><lolz>&lol9;</lolz>",
        "xml_external": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        "xml_parameter_entity": b'<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]><a/>',
        "xml_comment_first": b"<!-- " + b"x" * 100_000 + b" --><!DOCTYPE a><a/>",
        "xml_unclosed_comments": b"<!--" * 200_000,
        "xml_depth": b"<a>" * 100_000,
        "xml_attributes": b"<a " + b" ".join(b"a%d='x'" % n for n in range(100_000)) + b"/>",
        "edmx_paths": edmx,
        "zeros": b"\x00" * 1_000_000,
        "surrogates": b'{"type":"string","enum":["' + b"\\udc00" * 1000 + b'"]}',
    }
