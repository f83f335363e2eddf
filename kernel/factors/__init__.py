"""Second factors: what a person proves beside the password.

`apps` (codes of an authenticator app), `passkeys` (WebAuthn) and `recovery` (codes that are used once) each add and
prove one kind; `codes` takes what was typed, `held` says what a person has and removes it, `sealing` encrypts what is
stored. They change rows only: pages and sessions are the portal's, and who needs one is governance's.
"""
