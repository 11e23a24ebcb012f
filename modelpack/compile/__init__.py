"""From a declaration to static, readable SQL. Nothing here talks to a database but `catalog`."""
