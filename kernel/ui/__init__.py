"""How the product speaks to people: states with a colour (`tones`), numbers and times (`wording`), drawings (`charts`).

`tones` and `wording` are plain Python, so a selector may return a finished word or state and no template has to decide
what it means. `charts` and the tags in `kernel.templatetags.parts` make HTML and belong to pages alone.
"""
