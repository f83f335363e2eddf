"""The rules of decisions in plain Python: no Django, no database, `now` always passed in."""
