"""Cursor pagination for every list of the API: stable under inserts, cost independent of depth."""

from rest_framework.pagination import CursorPagination


class Cursor(CursorPagination):
    """`?cursor=` and `?page_size=` (at most 200). A view may set `ordering`."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"
    ordering = "-id"
