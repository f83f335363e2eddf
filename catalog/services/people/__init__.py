"""People, and who belongs to which team, from a file or a program: all of it or nothing, findings by line."""

from catalog.services.people.lines import PersonLine, from_csv, from_objects
from catalog.services.people.writing import PeopleReport, write

__all__ = ["PeopleReport", "PersonLine", "from_csv", "from_objects", "write"]
