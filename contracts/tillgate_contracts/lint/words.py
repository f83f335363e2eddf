"""Splits names into words, and lists the words that rules look for."""

from __future__ import annotations

import re
from itertools import pairwise

_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_STYLES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("flat", re.compile(r"[a-z][a-z0-9]*\Z")),
    ("camelCase", re.compile(r"[a-z][a-zA-Z0-9]*\Z")),
    ("snake_case", re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+\Z")),
    ("kebab-case", re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+\Z")),
    ("UPPER_SNAKE", re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*\Z")),
    ("PascalCase", re.compile(r"[A-Z][a-zA-Z0-9]*\Z")),
    ("Header-Case", re.compile(r"[A-Z][a-zA-Z0-9]*(?:-[A-Z0-9][a-zA-Z0-9]*)+\Z")),
)

MONEY = frozenset(
    [
        "amount",
        "price",
        "cost",
        "subtotal",
        "discount",
        "balance",
        "fee",
        "charge",
        "refund",
        "surcharge",
        "deposit",
        "payout",
        "gratuity",
        "tip",
        "tax",
    ]
)
MOMENTS = frozenset(["at", "timestamp", "datetime"])
PRODUCT_CODES = frozenset(["gtin", "ean", "upc", "sku", "barcode", "plu", "isbn"])
VERBS = frozenset(
    (
        *("get", "fetch", "list", "create", "add", "insert", "update", "modify", "edit", "delete", "remove", "save"),
        *("find", "search", "retrieve", "make", "do", "execute", "process"),
    )
)
PAGE_SIZE = frozenset(
    [
        "limit",
        "pagesize",
        "perpage",
        "size",
        "top",
        "count",
        "maxresults",
        "maxresultsperpage",
        "maxresults",
        "results",
        "maxpagesize",
    ]
)
PAGING = PAGE_SIZE | frozenset(
    [
        "page",
        "offset",
        "cursor",
        "skip",
        "after",
        "before",
        "next",
        "nexttoken",
        "pagetoken",
        "pagecursor",
        "pagenumber",
        "start",
        "startindex",
        "continuationtoken",
    ]
)
PERSONAL = frozenset(
    (
        *(
            "email",
            "emailaddress",
            "phone",
            "phonenumber",
            "mobile",
            "mobilenumber",
            "firstname",
            "lastname",
            "surname",
        ),
        *(
            "givenname",
            "familyname",
            "dateofbirth",
            "birthdate",
            "birthday",
            "ssn",
            "socialsecuritynumber",
            "passportnumber",
        ),
        *("taxid", "nationalid", "streetaddress", "shopperemail", "customeremail", "loyaltycardnumber", "loyaltyid"),
        *("telephonenumber", "iban", "bankaccountnumber"),
    )
)
CARDHOLDER = frozenset(
    ("pan", "cardnumber", "primaryaccountnumber", "creditcardnumber", "cardno", "encryptedcardnumber")
)
SENSITIVE_AUTHENTICATION = frozenset(
    (
        "cvv",
        "cvc",
        "cvv2",
        "cvc2",
        "cid",
        "cardverificationvalue",
        "cardverificationcode",
        "securitycode",
        "track1",
        "track2",
        "trackdata",
        "pinblock",
        "magneticstripe",
    )
)
"""PCI DSS 4.0 requirement 3.3: never stored after authorisation, so never sent back."""

VENDORS = frozenset(
    (
        *(
            "sap",
            "s4hana",
            "hybris",
            "oracle",
            "netsuite",
            "dynamics",
            "dynamics365",
            "navision",
            "infor",
            "ncr",
            "toshiba",
            "diebold",
        ),
        *(
            "shopify",
            "magento",
            "salesforce",
            "commercetools",
            "bigcommerce",
            "adyen",
            "stripe",
            "worldpay",
            "braintree",
            "klarna",
        ),
        *(
            "avalara",
            "vertex",
            "klaviyo",
            "braze",
            "talonone",
            "eagleeye",
            "manhattan",
            "blueyonder",
            "shipwire",
            "zoho",
            "hubspot",
        ),
        *("riskified", "fraudlabspro", "servicenow", "workday", "pricer", "hanshow", "aptos", "jda", "zebra"),
    )
)


def parts(name: str) -> list[str]:
    """The lower-case words of a name: `unitPriceUSD2` → unit, price, usd, 2."""
    return [part.lower() for part in _PARTS.findall(name)]


def squeezed(name: str) -> str:
    """A name without separators and case: `Page-Size` → pagesize."""
    return "".join(character for character in name.lower() if character.isalnum())


def style(name: str) -> str:
    """The spelling of a name, or "mixed". A single lower-case word is `flat`: it fits every lower-case style."""
    return next((label for label, pattern in _STYLES if pattern.match(name)), "mixed")


def is_money(name: str) -> bool:
    """Whether a name means an amount of money. Its last word decides: `priceList` and `taxRate` do not."""
    words = parts(name)
    return bool(words) and words[-1] in MONEY and not {"percent", "percentage", "rate", "code", "points"} & set(words)


def vendor_in(name: str, vendors: frozenset[str] = VENDORS) -> str:
    """The vendor named in a name, or ""."""
    words = parts(name)
    pairs = {first + second for first, second in pairwise(words)}
    return next(iter(sorted((set(words) | pairs) & vendors)), "")
