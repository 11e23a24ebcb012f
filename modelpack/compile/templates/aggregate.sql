%# One row: features of one key as aggregates over its events.
%# `columns`: their names and aggregates.
select {{ columns | selected | lines(",") }}
  from {{ event.table }} as e
 where {{ where }}
