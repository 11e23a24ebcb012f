%# FILL: a few rows that the declaration in force has not counted, of a range of blocks of the profile; or the profiles that
%# events of such a range of an event table lack. So many at a time that nobody waits for them long. Returns how many; -1
%# where the only ones left are held by others.
%#
%# `step`: 0 for rows of the profile, else the number of the event in the declaration; -1 looks whether a row is left.
% from "parts.sql" import events_in_place, uncounted
% from "upkeep_parts.sql" import bounds
declare
  {{ bounds() }}
  v_keys text[];
  v_made bigint;
begin
  {{ events_in_place(plan, plan.events) }}
  if step = -1 then
    perform from {{ plan.table }} as p where {{ uncounted(plan.since) }} limit 1;
    return found::integer;
  end if;
  % for number, event in making
  if step = {{ number }} then
    with chosen as (
      select {{ event.key | of("d") | join(", ") }}
        from (
               select distinct {{ event.keys("e") | join(", ") }}
                 from {{ event.table }} as e
                where e.ctid >= v_first and e.ctid < v_beyond and {{ event.conditions(event.present("e")) }}
             ) as d
       where not exists (select from {{ plan.table }} as q where {{ same(plan.keys("q"), event.key | of("d")) }})
       order by {{ event.key | of("d") | join(", ") }}
       limit most
    ), made as (
      insert into {{ plan.table }} ({{ plan.key | join(", ") }}) overriding system value
      select {{ event.key | of("c") | join(", ") }} from chosen as c
      on conflict ({{ plan.key | join(", ") }}) do nothing
    )
    select count(*) into v_made from chosen;
    return v_made;
  end if;
  % endfor
  -- who holds a row may do so for long: it is passed over, so that nobody waits for us meanwhile
  select array_agg(x.key) into v_keys
    from (
           select {{ plan.key_text("p") }} as key
             from {{ plan.table }} as p
            where p.ctid >= v_first and p.ctid < v_beyond and {{ uncounted(plan.since) }}
            limit most
              for no key update skip locked
         ) as x;
  if v_keys is null then
    perform from {{ plan.table }} as p where p.ctid >= v_first and p.ctid < v_beyond and {{ uncounted(plan.since) }} limit 1;
    return -found::integer;
  end if;
  perform {{ plan.called("recount") }}(v_keys);
  return cardinality(v_keys);
end
