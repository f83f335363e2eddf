"""One form of user names, so that one name is one account however its letters came to be written."""

from __future__ import annotations

import re
import unicodedata

import pgtrigger

OF_PROVIDER = "oidc:"
"""Begins the names of accounts that a sign-in through the identity provider has made. What follows is the provider's
subject, in which capitals count (OpenID Connect Core 1.0 §2)."""
ONCE = "one_account_for_each_name"
"""The constraint of the database that holds two spellings of one name apart."""
TAKEN = (ONCE, "kernel_user_username_key")
"""What the database says of a name that another account has, in another spelling or in the same."""

HIDDEN = (
    r"[\u00AD\u034F\u0600-\u0605\u061C\u06DD\u070F\u0890\u0891\u08E2\u115F\u1160\u17B4\u17B5\u180B-\u180F"
    r"\u200B-\u200F\u202A-\u202E\u2060-\u206F\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\U000110BD\U000110CD"
    r"\U00013430-\U0001343F\U0001BCA0-\U0001BCA3\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]"
)
"""Signs that nobody sees (Unicode category Cf, and Default_Ignorable_Code_Point: fillers, variation selectors), as a
class of regular expressions, of PostgreSQL's and of Python's."""
_HIDDEN = re.compile(HIDDEN)
FORMS = {
    "\u03c2": "\u03c3",
    "\u1c80": "\u0432",
    "\u1c81": "\u0434",
    "\u1c82": "\u043e",
    "\u1c83": "\u0441",
    "\u1c84": "\u0442",
    "\u1c85": "\u0442",
    "\u1c86": "\u044a",
    "\u1c87": "\u0463",
    "\u1c88": "\ua64b",
}
"""Small letters that share their capital with another one, and which: the final sigma, Cyrillic letters of old print.
Names that are written in capitals do not tell them apart."""
_FORMS = str.maketrans(FORMS)


def prepared(name: str) -> str:
    """Form KC (full-width letters are plain ones, letters and their accents one sign), without signs that nobody sees
    (zero-width spaces and joiners, marks of direction, fillers, variation selectors), without blanks around it.
    Idempotent. Upper and lower case stay: names are compared without them."""
    seen = _HIDDEN.sub("", unicodedata.normalize("NFKC", name))
    return unicodedata.normalize("NFKC", seen).strip()


def folded(name: str) -> str:
    """What two spellings of one name have in common."""
    return prepared(name).lower().translate(_FORMS)


def key_sql(name: str) -> str:
    """SQL of what all spellings of a name have in common; `name` is an expression, and stands in it once."""
    seen = rf"normalize(regexp_replace(normalize({name}, NFKC), '{HIDDEN}', '', 'g'), NFKC)"
    return rf"translate(lower(btrim({seen}, E' \t\r\n')), '{''.join(FORMS)}', '{''.join(FORMS.values())}')"


def is_of_provider(name: str) -> bool:
    """Whether a sign-in has made the account of this name: such names are compared as they are."""
    return name.startswith(OF_PROVIDER)


KEY_OF_A_NAME = pgtrigger.Trigger(
    name="key_of_a_name",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert | pgtrigger.UpdateOf("username"),
    declare=[("made", "text")],
    func=f"""
made := case when starts_with(new.username, '{OF_PROVIDER}') then new.username else {key_sql("new.username")} end;
if tg_op = 'UPDATE' then
  if new.username = old.username
     or made = (case when starts_with(old.username, '{OF_PROVIDER}') then old.username
                     else {key_sql("old.username")} end) then
    new.name_key := old.name_key;
    return new;
  end if;
end if;
if exists (select from kernel_user u
            where u.name_key is null
              and u.id <> new.id
              and {key_sql("u.username")} = made) then
  raise exception using errcode = 'unique_violation', constraint = '{ONCE}',
    message = 'two accounts have this name already, in two spellings';
end if;
new.name_key := made;
return new;
""",
)
