"""People and who belongs to which team, written in one call: as a list, or as a CSV."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.base import CatalogView
from catalog.services import people
from catalog.services.findings import Findings
from kernel import tokens
from kernel.errors import Forbidden, Invalid, finding
from kernel.models import ApiToken, User


class PersonLineSerializer(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150, required=False, help_text="Without one, the email stands for it")
    first_name = serializers.CharField(max_length=150, required=False, allow_blank=True)
    last_name = serializers.CharField(max_length=150, required=False, allow_blank=True)
    email = serializers.CharField(max_length=254, required=False, allow_blank=True)
    active = serializers.BooleanField(required=False, allow_null=True, help_text="False closes the account")
    teams = serializers.ListField(
        child=serializers.CharField(max_length=60), required=False, help_text="Keys of teams to be put into"
    )


class _Request(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField(default=False, help_text="Does the work, reports it, keeps nothing")
    csv = serializers.CharField(
        required=False,
        trim_whitespace=False,
        max_length=20_000_000,
        help_text="In place of `people`: a CSV whose first line names the columns",
    )


class PeopleSerializer(_Request):
    """What a line holds is judged line by line, so that every finding says which."""

    people = serializers.ListField(child=serializers.JSONField(), required=False, max_length=20_000)


class PeopleRequestSerializer(_Request):
    """As it is documented."""

    people = PersonLineSerializer(many=True, required=False)


class WrittenPersonSerializer(serializers.Serializer[Any]):
    line = serializers.IntegerField(help_text="Of the CSV, or the place in `people` from 1")
    username = serializers.CharField()
    done = serializers.ChoiceField(choices=["created", "changed", "closed", "reopened", "unchanged"])
    note = serializers.CharField(allow_blank=True)


class WrittenPeopleSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    created = serializers.IntegerField()
    changed = serializers.IntegerField()
    closed = serializers.IntegerField()
    reopened = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    lines = WrittenPersonSerializer(many=True)


class People(CatalogView):
    """All of it or nothing; findings say which line. Nobody is taken out of a team, and nobody who is not named is
    closed."""

    scopes = {"POST": tokens.PROVISION}

    @extend_schema(
        operation_id="people_write",
        tags=["catalog"],
        summary="Write people and who belongs to which team",
        description=(
            "For administrators in a session of their own, and for tokens of the scope `people:provision`, which put "
            "nobody into a team and change no account with a password or with rights of an administrator."
        ),
        request=PeopleRequestSerializer,
        responses=WrittenPeopleSerializer,
        examples=[
            OpenApiExample(
                "Dry",
                value={"dry_run": True, "people": [{"username": "ann@shop.example", "teams": ["price"]}]},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        by_token = isinstance(request.auth, ApiToken)
        _require_right(self.person, by_token=by_token)
        data = self.validated(PeopleSerializer)
        if ("people" in data) == ("csv" in data):
            said = "Send either `people` or `csv`."
            raise Invalid("people.one_of", said, {"findings": [finding("/people", said)]})
        found = Findings()
        if "csv" in data:
            lines = people.from_csv(data["csv"].encode(), found)
        else:
            lines = people.from_objects(data["people"], found)
        report = people.write(lines, found, actor=self.person, by_token=by_token, dry_run=data["dry_run"])
        return Response(_told(report), headers={"Cache-Control": "private, no-store"})


def _require_right(user: User, *, by_token: bool) -> None:
    """Raises Forbidden."""
    if user.is_superuser or (by_token and user.kind == User.Kind.SERVICE):
        return
    raise Forbidden("people.administrators", "People are written by administrators, or by a service account's token.")


def _told(report: people.PeopleReport) -> dict[str, Any]:
    words = ("created", "changed", "closed", "reopened", "unchanged")
    columns = ("line", "username", "done", "note")
    lines = [dict(zip(columns, line, strict=True)) for line in report.lines]
    return {"dry_run": report.dry_run, **{word: report.number(word) for word in words}, "lines": lines}
