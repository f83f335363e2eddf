"""The first page after sign-in is the inbox: what waits for me."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect


def home(request: HttpRequest) -> HttpResponse:
    return redirect("governance:inbox")
