"""The command line of Tillgate: standard library only, until `tillgate contracts` loads the contract engine."""
