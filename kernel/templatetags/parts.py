"""Template parts; see templates/parts."""

from django import template

register = template.Library()
