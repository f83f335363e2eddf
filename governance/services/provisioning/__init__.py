"""People and groups as an identity provider keeps them, by SCIM 2.0. A token of the scope `people:provision` makes,
changes and closes accounts of people. It makes nobody an administrator, sets no password, and makes nobody a member of
a team but by a declared mapping of groups."""
