"""A time that a program writes carries its zone, and one that a person types is of UTC, as its label says: no body of
the API and no form of the product takes another one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import yaml
from django import forms
from django.urls import get_resolver
from rest_framework import serializers

from kernel.ui.fields import UtcMomentField
from tests.portal.test_extreme_values import DOCUMENT, operations, resolved

NO_ZONE = "2027-03-01T10:00:00"


def descendants(of: type) -> Iterator[type]:
    for one in of.__subclasses__():
        yield one
        yield from descendants(one)


def test_each_field_of_the_api_document_for_a_time_refuses_one_without_a_zone():
    assert get_resolver().url_patterns  # every endpoint is there
    document = yaml.load(DOCUMENT.read_text(encoding="utf-8"), yaml.CSafeLoader)
    known = {shape.__name__.removesuffix("Serializer"): shape for shape in descendants(serializers.BaseSerializer)}
    looked_at = set()
    for _, _, operation in operations():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for name in re.findall(r"'#/components/schemas/(\w+?)(?:Request)?'", repr(content.get("schema"))):
            wanted = document["components"]["schemas"].get(f"{name}Request") or document["components"]["schemas"][name]
            for field, shape in wanted.get("properties", {}).items():
                if resolved(shape, document).get("format") == "date-time":
                    looked_at.add((name, field))
                    made = known.get(name.removeprefix("Patched")) or known[name]
                    with pytest.raises(serializers.ValidationError, match="zone"):
                        made().fields[field].run_validation(NO_ZONE)
    assert len(looked_at) > 12


def test_each_time_of_a_form_says_that_it_is_of_utc():
    assert get_resolver().url_patterns  # every page is there
    seen = 0
    for form in descendants(forms.BaseForm):
        if form.__module__.startswith(("django.", "tests.")) or ".admin" in form.__module__:
            continue
        for name, field in getattr(form, "base_fields", {}).items():
            if isinstance(field, forms.DateTimeField):
                assert isinstance(field, UtcMomentField), (form, name)
                assert str(field.label).endswith("(UTC)")
                seen += 1
    assert seen > 8
