"""Who can sign in to the demo retailer. No Django here: the supervisor prints this list."""

PASSWORD = "tillgate-demo"  # noqa: S105 - the demo's well-known password, on loopback only
SIGN_INS = (
    ("ada", "architect"),
    ("petra", "owner of price"),
    ("paul", "owner of product"),
    ("sofia", "owner of sales and finance"),
    ("lena", "owner of loyalty"),
    ("stan", "owner of store systems"),
    ("ivy", "integration engineer, author of the sync jobs"),
    ("ida", "integration engineer, the second pair of eyes"),
    ("sam", "security"),
    ("rita", "release manager"),
    ("carl", "consumer, web shop"),
    ("admin", "platform administrator"),
)
