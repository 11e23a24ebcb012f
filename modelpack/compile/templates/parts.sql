%# What several functions have in common.

%# Whether two rows hold the same, byte for byte, whatever the search_path.
% macro identical(left, right)
row(
  {{ left | lines(",") }}
)::pg_catalog.record operator(pg_catalog.*=) row(
  {{ right | lines(",") }}
)::pg_catalog.record
% endmacro
