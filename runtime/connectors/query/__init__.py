"""Query languages of vendors, SuiteQL and SOQL: one table, read by key."""
