"""The command line of Tillgate. It imports the standard library only; `tillgate contracts` loads the contract engine."""
