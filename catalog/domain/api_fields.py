"""What an owner states about an API, field by field, in one list.

The form, the REST serializers, the importers, the blueprint, the audit snapshot and the overview page are all made from
`API_FIELDS`. A new field is a column of `models.Api` with its migration and one entry here; see
docs/how-to/add-a-field.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["text", "url", "choice", "reference", "level", "names"]
"""`choice`: one of the column's choices; `reference`: the key of a row; `level`: an SLA tier, 0 to 3; `names`: a list
of short texts."""


@dataclass(frozen=True, slots=True)
class ApiField:
    """One field. `key` is its name everywhere: column, REST, blueprint, CSV, audit log; `label` is what people read.

    `noun` is what an error message calls a wrong value. `limit` is the longest text, key or single name, in characters.
    `optional` False: REST takes neither an empty text nor null. `required` is the message for an empty text that must
    not be empty. `wide` fields are long texts with a line of their own in forms. `prominent` fields have a place of
    their own on the overview page; all others stand in its list of facts.
    """

    key: str
    label: str
    kind: Kind
    limit: int = 0
    noun: str = ""
    hint: str = ""
    api_hint: str = ""
    required: str = ""
    optional: bool = True
    wide: bool = False
    prominent: bool = False


API_FIELDS: Final[tuple[ApiField, ...]] = (
    ApiField("name", "Name", "text", 200, required="Give it a name.", optional=False, prominent=True),
    ApiField(
        "purpose", "Purpose", "text", 4000, hint="One sentence a shop manager understands.", wide=True, prominent=True
    ),
    ApiField("domain", "Domain", "reference", 60, noun="domain"),
    ApiField("owner_team", "Owner team", "reference", 60, noun="team", optional=False, prominent=True),
    ApiField("layer", "Layer", "choice", noun="layer"),
    ApiField("style", "Style", "choice", noun="style"),
    ApiField("tier", "SLA tier", "level", noun="SLA tier", api_hint="Only while none is stated"),
    ApiField("data_class", "Data class", "choice", noun="data class"),
    ApiField("visibility", "Who may see it", "choice", noun="visibility", optional=False),
    ApiField("system", "System", "reference", 60, noun="system"),
    ApiField("aliases", "Other names", "names", 100, hint="Separated by commas; search finds the API by each."),
    ApiField(
        "if_it_fails",
        "If it fails",
        "text",
        4000,
        hint="What stores and channels do meanwhile.",
        wide=True,
        prominent=True,
    ),
    ApiField("documentation_url", "Documentation", "url", 500),
    ApiField("status_url", "Status page", "url", 500),
)
MOST_NAMES: Final = 50
"""How many values a field of the kind `names` may hold."""

KEYS: Final[tuple[str, ...]] = tuple(field.key for field in API_FIELDS)


def names_in(text: str) -> list[str]:
    """The names in a line such as "Price lookup, PLU"; semicolons separate them as well, as in a CSV with commas."""
    return [name for part in text.replace(";", ",").split(",") if (name := part.strip())]
