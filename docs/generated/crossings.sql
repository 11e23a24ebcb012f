-- What bounds add to the shop: Score("churn", crossing=[0.5, 0.8]).
-- Written by `make docs`; look at it, do not edit it.
--
-- The profile is that of shop.py. Its triggers are made at the end of the transaction that applies the declaration. A
-- row that crosses no bound costs an event the first function, which looks nothing up; the others run for one that
-- does. Each body stands here as the server has it; other lines that are long are broken.

CREATE OR REPLACE FUNCTION modelpack.customer_score_churn_cross()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
AS $function$
begin
  if (pg_catalog.width_bucket(new.churn, '{0.5,0.8}'::pg_catalog.float8[]) operator(pg_catalog.<>) pg_catalog.width_bucket(old.churn, '{0.5,0.8}'::pg_catalog.float8[])) is not false then
    -- no score crosses nothing; a first one below all bounds neither, unless the row has crossed before in this transaction
    if new.churn is not null and (new.churn operator(pg_catalog.>=) '0.5'::pg_catalog.float8 or old.churn is not null
                                 or pg_catalog.current_setting('modelpack.crossed', true) operator(pg_catalog.=) 'on') then
      perform modelpack.customer_score_churn_cross_row(new, old.churn, old.churn_version, tg_op operator(pg_catalog.=) 'INSERT');
    end if;
  end if;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION modelpack.customer_score_churn_cross_row(p anyelement, from_score double precision,
  from_version integer, is_new boolean)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET extra_float_digits TO '1'
AS $function$
begin
  perform modelpack.customer_score_churn_crossed(modelpack.key_value(p.customer_id)::text, from_score, p.churn, from_version, p.churn_version, p.churn_scored_at,
                       case when is_new then 'first' when from_score is null then 'return' when from_version is distinct from p.churn_version then 'version' else 'change' end);
end
$function$;

CREATE OR REPLACE FUNCTION modelpack.customer_score_churn_crossed(entity_key text, from_score double precision,
  to_score double precision, from_version integer, to_version integer, at timestamp with time zone, cause text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
#variable_conflict use_variable
-- enable_seqscan: off, since the plan is made once a session, and before the first crossing the table is empty.
declare
  v_before record;
  v_bounds double precision[];
begin
  -- one row for each transaction: from where the entity was before it
  delete from modelpack.crossing as c
   where c.transaction_id = pg_current_xact_id() and c.entity_key = entity_key and c.profile = 'public.customer' and c.score = 'churn' and c.era = 0
  returning c.from_score, c.from_version, c.cause into v_before;
  if found then
    from_score := v_before.from_score;
    from_version := v_before.from_version;
    cause := case when v_before.cause = 'first' or cause <> 'version' then v_before.cause else cause end;
  end if;
  v_bounds := modelpack.crossed_bounds(from_score, to_score, '{0.5,0.8}');
  if v_bounds <> '{}' then
    insert into modelpack.crossing (profile, score, entity_key, from_score, to_score, bounds, direction, cause, model, version, from_version, at)
    values ('public.customer', 'churn', entity_key, from_score, to_score, v_bounds, case when from_score > to_score then 'down' else 'up' end, cause, 'churn', to_version,
            from_version, "at");
    -- until the transaction, or the savepoint, ends: scores that come back have to be looked up. Anybody may set it, for himself
    perform set_config('modelpack.crossed', 'on', true);
  end if;
end
$function$;

CREATE TRIGGER model_cross_churn AFTER INSERT OR UPDATE OF basket, basket_n, basket_sum, churn, churn_scored_at,
  churn_stale, churn_version, complaint_heat, complaint_heat_ahead, complaints, customer_id, features_at,
  features_read_at, features_reread_at, last_purchase_at, plan, purchases, purchases_90d, spend ON public.customer
  FOR EACH ROW EXECUTE FUNCTION modelpack.customer_score_churn_cross();
