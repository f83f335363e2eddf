"""Emulators of the systems around a retailer: an S/4HANA-like ERP, a fleet of store servers, a loyalty engine.

They behave like the vendors where it hurts, fail on demand by seed, and each keeps its own journal of what really
happened. The product never imports this package and this package imports nothing of the product: the journals are the
independent witness that the demo, the tests and the fault campaign are judged by. Start with `python -m sandbox`.
"""
