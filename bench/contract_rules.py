"""Writes docs/reference/contract-rules.md: the list of rules, the agreement with labelled cases, every disagreement.

    python bench/contract_rules.py [--shared DIR] [--output docs/reference/contract-rules.md]

The rules come from the rule pack itself; the figures from `contract_accuracy.py`. A disagreement without a reason here
ends the run with an error, so that none slips in unexplained.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from contract_accuracy import MODELS, score_openapi, score_schemas, shared_root

from tillgate_contracts.compare.kinds import SCHEMA_KINDS, is_undecided
from tillgate_contracts.compare.payloads.kinds import PAYLOAD_RULES
from tillgate_contracts.compare.policy import DEFAULT, SWITCHES
from tillgate_contracts.compare.rules import RULE_PACK, iter_rules, schema_level, schema_rule
from tillgate_contracts.compare.soap.kinds import XML_RULES
from tillgate_contracts.compare.structure_rules import STRUCTURE_RULES

ROOT = Path(__file__).resolve().parent.parent
#: Why a case is judged otherwise than its label says.
REASONS: dict[str, str] = {
    **dict.fromkeys(
        ("OD-0074", "OD-0075", "OD-0077", "OD-0259", "OD-0281", "OD-0355", "OD-0361", "OD-0370"),
        "The keyword stands beside a type that it says nothing about (`maximum` of a text, `minItems` of an object): "
        "by JSON Schema nothing is refused or admitted. `keyword_without_effect: breaking` gives the label's verdict.",
    ),
    **dict.fromkeys(
        ("OD-0357", "OD-0420", "OD-0373"),
        "A property that becomes read-only is no longer taken from requests: attempts to set it are ignored or refused "
        "(JSON Schema Validation 9.4), as those of one that was removed.",
    ),
    "OD-0439": (
        "A media type with a suffix is another one: who asks for `application/json` has no range that it is in "
        "(RFC 9110 section 12.5.1, RFC 6839)."
    ),
    "OD-0447": ("A property that becomes write-only is no longer promised to readers, as one that was removed."),
    "OD-0041": (
        "Policy: an operation that was open and now demands credentials refuses its callers. `security_tightened: "
        "info` gives the label's verdict."
    ),
    "OD-0095": (
        "A required name without a property of that name is still a requirement: requests without it are refused."
    ),
    "OD-0144": (
        "Policy: a renamed operationId renames a method of generated clients. `operation_id_renamed: info` gives "
        "the label's verdict."
    ),
    "OD-0186": "As OD-0144.",
    "OD-0153": (
        "The property is readOnly, so requests never carry it; its new pattern only concerns responses, where it "
        "narrows."
    ),
    "OD-0154": "As OD-0153, in a recursive schema.",
    "OD-0166": (
        "The dropped allOf branch only repeats what the other branches say; no request changes its meaning. It is "
        "noted, not warned of."
    ),
    "OD-0451": (
        "A required response field became writeOnly and so leaves the responses; whether it is really no longer "
        "sent is not said: warning."
    ),
    "OD-0461": (
        "The referenced file is not part of the case, so what changed in it cannot be read: a warning that says "
        "so, never silence."
    ),
    "AP-011": (
        "`[a-z]*` is not anchored (JSON Schema Core 6.4), so the search finds its empty match in every text: nothing "
        "that the plain text admits was refused before."
    ),
    "AP-012": "As AP-011: `[a-z]*` and `[A-Z]*` both match every text.",
    "AP-126": "As AP-011, below `then`.",
    "AP-127": "As AP-011, below `else`.",
    "AP-037": (
        "Tolerant model: adding a property to an open object is tolerated. The strict model gives the label's answer."
    ),
    "AP-137": "As AP-037.",
    "AP-097": (
        "`type: string` with a `const` that is a list accepts nothing, before and after: nothing that was accepted "
        "is refused."
    ),
    "AP-118": (
        "The wider branch overlaps the other one: a text of 7 characters matched one branch and now matches two, "
        "and `oneOf` refuses it."
    ),
    "AP-120": (
        "The added branch overlaps the first: the text `ab` matched one branch and now matches two, and `oneOf` "
        "refuses it."
    ),
}
_SHORT = {"breaking": "breaking", "warning": "warning", "info": "info"}


def level(kind: str, direction: str, place: str) -> str:
    found = SCHEMA_KINDS[kind]
    rule = schema_rule(kind, direction, place)
    return DEFAULT.level(rule, schema_level(kind, found.effect, direction, place, undecided=is_undecided(kind)))


def schema_table() -> Iterator[str]:
    yield "| kind | request | response | received event | sent event | what happened |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, kind in SCHEMA_KINDS.items():
        cells = [
            _SHORT[level(name, direction, place)]
            for direction, place in (
                ("request", "property"),
                ("response", "property"),
                ("event-receive", "property"),
                ("event-send", "property"),
            )
        ]
        text = kind.phrase.format(old="(old)", new="(new)", name="(name)").replace("|", "\\|")
        yield f"| `{name}` | {' | '.join(cells)} | {text} |"


def exceptions() -> Iterator[str]:
    """Ids that do not follow the scheme, because the field knows them under another name."""
    for direction, places in (
        ("request", ("body", "property", "parameter", "parameter-property")),
        ("response", ("body", "property", "header")),
    ):
        for place in places:
            for name in SCHEMA_KINDS:
                rule = schema_rule(name, direction, place)
                if rule not in {f"{direction}-{place}-{name}", f"{direction}-{name}"}:
                    yield f"| {direction} {place.replace('-', ' ')} | `{name}` | `{rule}` |"


def structure_tables() -> Iterator[str]:
    rules = (*STRUCTURE_RULES, *XML_RULES, *PAYLOAD_RULES)
    for area in dict.fromkeys(rule.area for rule in rules):
        yield f"\n### {area[0].upper()}{area[1:]}\n"
        yield "| rule | level | what happened | why |"
        yield "| --- | --- | --- | --- |"
        for rule in rules:
            if rule.area == area:
                yield f"| `{rule.id}` | {DEFAULT.level(rule.id, rule.level)} | {rule.title} | {rule.why} |"


def agreement(root: Path) -> Iterator[str]:
    sections: list[tuple[str, dict[str, Any]]] = [("OpenAPI pairs", score_openapi(root, None))]
    sections += [(f"JSON Schema pairs, {model} content model", score_schemas(root, None, model)) for model in MODELS]
    for title, result in sections:
        lines = [line for line in result.pop("lines") if not line.startswith("nuance")]
        yield f"\n### {title}\n"
        yield "| figure | value |"
        yield "| --- | --- |"
        for name, value in result.items():
            yield f"| {name} | {value} |"
        yield "\n| case | label and answer | reason |"
        yield "| --- | --- | --- |"
        for line in lines:
            case, _, rest = line.removeprefix("DISAGREES ").partition(" ")
            if case not in REASONS:
                raise SystemExit(f"{case} disagrees without a reason in REASONS: {rest}")
            yield f"| {case} | {rest.replace('|', chr(92) + '|')} | {REASONS[case]} |"


INTRO = """# Rules of the contract comparison

Written by `python bench/contract_rules.py`; do not edit by hand. Rule pack {pack}, {count} rule ids.

## The one rule

Every position of a schema has a set of accepted values and a flow. What callers send (parameters, request bodies,
answers to callbacks) may only widen. What callers receive (responses, headers, callbacks, webhooks) may only narrow.
For events the owner of the contract decides: what it sends may only narrow, what it receives may only widen, and a
message without an operation, or a bare JSON Schema, must hold both ways.

- **breaking**: someone who follows the old contract is refused, or gets what the old contract ruled out.
- **warning**: the document does not say enough to decide, or the field tolerates it; a person has to look.
- **info**: harmless. A comparison with nothing but info findings is `compatible`; with none at all, or only changed
  words (`annotation-changed`, `api-path-parameter-renamed`), it is `none`.

What cannot be decided is a warning with its reason, never silence: one regular expression against another, a changed
condition of `if`, an unknown keyword, a reference that leads nowhere, `unevaluated…` keywords across changed branches,
`oneOf` branches that may overlap, a branch that only an open object beside it takes over, payloads in other languages.

## Alternatives

- **With a discriminator** the tag chooses the schema (OpenAPI 3.0.4 and 3.1.1 §4.8.25), so schemas are paired by tag,
  and what happens to the values of a tag is judged by its schema alone: no other branch covers it. Tags are the entries
  of `mapping` (names, references, URIs) and, for a schema without an entry, its name; where a schema lists values for
  the property and its name is none of them, these values. `defaultMapping` (3.2) takes tags that nothing else chooses.
  A tag that is gone breaks requests, a new one breaks responses, one that is spelled otherwise or leads to another
  schema breaks both. A schema that is renamed and keeps its entry is `discriminator-mapping-renamed`, a note.
  An entry that goes while its schema still lists the value is `discriminator-mapping-implied`, a warning; a branch that
  goes while its entry stays is gone.
- **A discriminator that comes or goes** is a warning for who may meet other tags; it is a note where each schema
  demands its own tags and no others.
- **A parent with a discriminator and children that extend it by `allOf`** stands for its children, grandchildren too
  (OpenAPI 3.0.4 §4.7.24): `subtype-added`, `subtype-removed`. Where the parent itself lists its children in `oneOf` or
  `anyOf`, that list is read once: a child does not fall under it again through its `allOf`.
- **Without a discriminator** branches are paired by their names first. Another branch silences a change of one only
  where it provably takes over its values. Under the tolerant content model an open object proves nothing: it may take
  over a value only because it ignores properties that it does not name. Then the finding is `any-of-coverage-undecided`
  or `one-of-coverage-undecided`, and whether `oneOf` branches overlap differently is `one-of-overlap-changed`. Both are
  warnings where the direction could be harmed.

- **A child stands for itself**, also behind the mapping that it inherits; other tags for it there are
  `discriminator-tag-undecided` where it is used without its parent; a child that is taken for its parent, or the
  reverse, is `subtypes-coverage-undecided` where the tag of its values may choose another schema.
- **What stands beside alternatives** holds together with each of them. Where one of them says something new of a
  property that is described beside it, that is no new property of an open object: `…-coverage-undecided`.

[The proof by witnesses](../decisions/0067-proof-by-witnesses.md) tries these rules: no value that one side sends and
the other refuses has spoken against a verdict of `none` or `compatible`.

## The same in other words

- **OpenAPI 3.0 and 3.1** spell null, bounds, constants, files and examples differently:
  [the table](openapi-migration.md).
- **Media types** are compared by their standards: a charset of JSON, YAML or a form and the `boundary` of a multipart
  say nothing; every other parameter (`version`, a charset of text) is part of the type; `profile` is a note where it
  comes or goes harmlessly, and a warning where the receiver may demand it or a reader may need it (RFC 6906).
  A type that comes or goes beside `*/*` or its range is compared with the nearest of them.
- **Statuses**: `2XX` and `default` stand for codes without an entry of their own and are compared with them. A range
  that became its codes narrows; a code that became a range is a status that was added. Where `default` or the range
  stays, a code that comes or goes is compared with it as well; codes that never have a body (1XX, 204, 205, 304)
  are not.
- **Path variables** are compared by their places in the path, whatever their names are.
- **A single value and the list of it** are written alike in the styles `form` and `simple`; a text that may hold a
  comma is a warning where commas separate the items.
- **Keywords beside other types** say nothing: `…-keyword-without-effect`. So do URLs that an OAuth flow does not use.
- **Security schemes** are compared by what they are: another key is a note. So is a base path that moved between the
  servers and the paths.
- **JSON Schema 2020-12** (so OpenAPI 3.1 and 3.2): a `number` that is a multiple of a whole one is an `integer`, since
  1.0 is one. In every version that has the words: `minProperties` beside as many required names, `contains` of any item
  and `minItems`, `propertyNames: false` and `maxProperties: 0`, the branch that `if: true` or `if: false` chooses.
- **XML Schema**: content is the set of element sequences that it allows, a simple type the set of its values.
- **Forms**: the fields of a `multipart` body are text, files, or JSON where a field is an object. A `contentType` that
  a field has anyway says nothing; headers of a part are compared.

Ids follow `<direction>-<place>-<kind>`: direction `request`, `response`, `event-receive`, `event-send`; place `body`,
`property`, `parameter`, `parameter-property`, `header`, `header-property`, `payload`. Kinds that speak of a property
leave the place out (`request-property-became-required`). Where the meaning is the same as in the reference rule set
(oasdiff, Apache-2.0), the id is the same too.

A property that readers can never get again (its schema became one that no value fits) is told as one that was removed;
a body of which that is true, as a media type that was removed; a list or a map of which that is true has `items-ended`
or `entries-ended`, a warning.

The **content model** decides what a new property in an open object means: `tolerant` (the default) notes it, `strict`
counts it as a narrowing, because another value may have stood under that name before.

## Policy keys

| key | default | sets |
| --- | --- | --- |
{keys}
| `levels` | | level per rule id, before everything else |

## Agreement with labelled cases
"""


def document(root: Path) -> str:
    keys = []
    for name in DEFAULT.__dataclass_fields__:
        if name != "levels":
            rules = ", ".join(f"`{rule}`" for rule in SWITCHES.get(name, ()))
            keys.append(f"| `{name}` | {getattr(DEFAULT, name)} | {rules} |")
    parts = [INTRO.format(pack=RULE_PACK, count=sum(1 for _ in iter_rules()), keys="\n".join(keys))]
    parts += agreement(root)
    parts += ["\n## Rules around the schemas", *structure_tables()]
    parts += ["\n## Rules of schemas\n", "Levels for a property, with the default policy.\n", *schema_table()]
    parts += ["\n## Ids outside the scheme\n", "| where | kind | id |", "| --- | --- | --- |", *exceptions()]
    parts.append("| header parameter | `property-became-required` | `request-header-property-became-required` |")
    parts.append("| header parameter | `became-enum` of a property | `request-header-property-became-enum` |")
    parts.append("| header parameter | `required-property-added` | `new-required-request-header-property` |")
    return "\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared")
    parser.add_argument("--output", default=str(ROOT / "docs/reference/contract-rules.md"))
    options = parser.parse_args()
    text = document(shared_root(options.shared))
    target = Path(options.output)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    print(f"{target}: {len(text.splitlines())} lines")


if __name__ == "__main__":
    main()
