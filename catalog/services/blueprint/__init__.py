"""What each section of a blueprint says about the estate, and how it is written into the tables."""
