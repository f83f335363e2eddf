"""SCIM 2.0 in plain Python: attributes (RFC 7643), filters and patches (RFC 7644). Opens no database."""
