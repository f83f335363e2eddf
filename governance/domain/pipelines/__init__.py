"""Pipelines at GitHub and GitLab that ask the gate by webhook: what comes in, what it means, what goes out. Plain
Python: `reading` picks the provider, `github` and `gitlab` know the forms, `ruling` decides what is answered.
"""
