"""Comparison of WSDL and XML Schema: what clients send may only widen, what they receive may only narrow."""
