"""Looking at a page as somebody."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from kernel.models import User


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(user: User, name: str, *arguments: object, status: int = 200, query: str = "") -> str:
    response = signed_in(user).get(reverse(name, args=arguments) + query)
    assert response.status_code == status, response.content.decode()[:2000]
    return " ".join(response.content.decode().split())
