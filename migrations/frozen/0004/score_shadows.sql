create or replace procedure modelpack.score_shadows(model text default null, batch integer default 1000, slack interval default '1 hour')
language plpgsql security invoker
as $modelpack$
-- A procedure that commits can neither pin its search_path nor run as its owner: every name is qualified.
declare
  v_shadow record;
  v_rows bigint;
  v_total bigint;
begin
  for v_shadow in
    select s.shadow_id, s.model, s.version from modelpack.shadow as s
     where (score_shadows.model is null or s.model operator(pg_catalog.=) score_shadows.model)
       -- what was logged before it ended may have been committed since
       and (s.ended_at is null or s.ended_at operator(pg_catalog.>) (pg_catalog.now() operator(pg_catalog.-) slack)
            -- and of its inputs something is left
            or s.input_limit is not null)
     order by s.shadow_id
  loop
    v_total := 0;
    loop
      v_rows := modelpack.shadow_some(v_shadow.shadow_id, batch, slack);
      commit;
      v_total := v_total operator(pg_catalog.+) v_rows;
      exit when v_rows operator(pg_catalog.=) 0;
    end loop;
    raise notice 'shadow of % by version %: % rows', v_shadow.model, v_shadow.version, v_total;
  end loop;
end
$modelpack$;
comment on procedure modelpack.score_shadows(text, integer, interval) is
  'Has shadows score what the log holds and they have not scored yet, in chunks with a commit after each. For a scheduler, every few minutes. slack: how long a transaction that scores may take; rows of longer ones may be passed over.';
revoke all on procedure modelpack.score_shadows(text, integer, interval) from public;
grant execute on procedure modelpack.score_shadows(text, integer, interval) to modelpack_publisher;
