"""The worker process: it claims approved work, delivers it and polls sources.

Entry points call it; services never import it.
"""
