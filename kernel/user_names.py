"""One form of user names, so that one name is one account however its letters came to be written."""

from __future__ import annotations

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
    r"[\u00AD\u0600-\u0605\u061C\u06DD\u070F\u0890\u0891\u08E2\u180E\u200B-\u200F\u202A-\u202E\u2060-\u2064"
    r"\u2066-\u206F\uFEFF\uFFF9-\uFFFB\U000110BD\U000110CD\U00013430-\U0001343F\U0001BCA0-\U0001BCA3"
    r"\U0001D173-\U0001D17A\U000E0001\U000E0020-\U000E007F]"
)
"""Signs that nobody sees (Unicode category Cf), as a class of PostgreSQL's regular expressions."""


def prepared(name: str) -> str:
    """Form KC (full-width letters are plain ones, letters and their accents one sign), without signs that nobody sees
    (Unicode category Cf: zero-width spaces and joiners, marks of direction), without blanks around it. Idempotent.
    Upper and lower case stay: names are compared without them."""
    seen = "".join(sign for sign in unicodedata.normalize("NFKC", name) if unicodedata.category(sign) != "Cf")
    return unicodedata.normalize("NFKC", seen).strip()


def folded(name: str) -> str:
    """What two spellings of one name have in common."""
    return prepared(name).lower()


def key_sql(name: str) -> str:
    """SQL of what all spellings of a name have in common; `name` is an expression, and stands in it once."""
    return rf"lower(btrim(normalize(regexp_replace(normalize({name}, NFKC), '{HIDDEN}', '', 'g'), NFKC), E' \t\r\n'))"


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
