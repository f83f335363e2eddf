"""One comparison of schemas for every contract format: nodes in normal form, and what differs between two of them."""
