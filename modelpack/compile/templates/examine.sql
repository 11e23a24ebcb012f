%# EXAMINE: what `modelpack.doctor` says of the rows; read by a role that may read them, and no more.
% macro present(column)
{{ column }} is not null
% endmacro
% from "parts.sql" import uncounted
declare
  v_share real;
  v_keys text[];
begin
  return query
  select * from (
    select 'uncounted', '', count(*) as rows, null
      from (
             select from {{ plan.table }} as p where {{ uncounted(plan.since) }} limit 10000
           ) as x
  ) as f where f.rows > 0;
  % for s in plan.scores
  return query
  select * from (
    select 'stale', {{ s.name | literal }}, count(*) as rows, min(x.reason)
      from (
             select p.{{ s.stale }} as reason from {{ plan.table }} as p where p.{{ s.stale }} is not null and not {{ uncounted(plan.since) }} limit 10000
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'behind', {{ s.name | literal }}, count(*) as rows, null
      from (
             select from {{ plan.table }} as p
              where p.{{ s.stale }} is null and not {{ uncounted(plan.since) }} and {{ s.called("version") }}() is not null
                and p.{{ s.version }} is distinct from coalesce({{ s.called("chosen") }}(row(p.*)::{{ plan.table }}), {{ s.called("version") }}()) limit 10000
           ) as x
  ) as f where f.rows > 0;
  % endfor
  return query
  select * from (
    select 'ahead', '', count(*) as rows, null
      from (
             select from {{ plan.table }} as p where p.features_at > clock_timestamp() + interval '1 minute' limit 10000
           ) as x
  ) as f where f.rows > 0;
  %# A sample of events, read as they lie: a load with triggers switched off shows here. Whoever reads what is found need
  %# not see the rows.
  % for event in plan.events
  v_share := case when pg_relation_size({{ event.table | literal }}::regclass) < 1000000 then 100 else greatest(0.01, 100.0 * 1000000 / pg_relation_size({{ event.table | literal }}::regclass)) end;
  select array_agg(distinct x.key) into v_keys
    from (select {{ key_text(event.keys("e")) }} as key from {{ event.table }} as e tablesample system (v_share) where {{ event.keys("e") | each(present) | join(" and ") }}
             %# one that is not counted yet is found above
             and not exists (select from {{ plan.table }} as p where {{ same(plan.keys("p"), event.keys("e")) }} and {{ uncounted(plan.since) }}) limit 200) as x;
  return query
  select * from (
    select 'differ', {{ event.event.table | literal }}, count(distinct x.entity_key) as rows, string_agg(distinct x.feature, ', ')
      from (
             select * from {{ plan.called("verify") }}(0, null, coalesce(v_keys, '{}'))
           ) as x
  ) as f where f.rows > 0;
  %   if event.missing == "create"
  return query
  select * from (
    select 'missing', {{ event.event.table | literal }}, count(*) as rows, null
      from (
             select distinct {{ event.key | of("x") | join(", ") }}
               from (select e.* from {{ event.table }} as e tablesample system (v_share) where {{ event.keys("e") | each(present) | join(" and ") }}{% if event.where %} and {{ event.where }}{% endif %} limit 200) as x
              where not exists (select from {{ plan.table }} as q where {{ same(plan.keys("q"), event.key | of("x")) }})
           ) as x
  ) as f where f.rows > 0;
  %   endif
  % endfor
end
