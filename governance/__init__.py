"""Decisions: change requests, checks, policies, slots, decisions, approvals, verdicts, freezes, waivers and
break-glass.
"""
