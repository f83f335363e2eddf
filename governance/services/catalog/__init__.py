"""The change kinds of the catalog: publish, change a contract, deprecate, retire, move a boundary, change a tier."""
