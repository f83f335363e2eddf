"""How the product uses PostgreSQL: sessions that are checked and limited, and what their errors mean."""
