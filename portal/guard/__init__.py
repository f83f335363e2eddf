"""The production guard: outside of the demo nothing serves with settings, a database or a Redis that are only good for
trying the product out (docs/how-to/secure.md)."""
