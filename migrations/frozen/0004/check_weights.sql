create or replace function modelpack.check_weights(experiment text, arms text[], weights jsonb) returns jsonb
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
set extra_float_digits = 1
as $modelpack$
declare
  v_sum double precision;
  v_bad text;
begin
  if jsonb_typeof(weights) is distinct from 'object' then
    v_bad := modelpack.shown(coalesce(weights::text, 'NULL'), 40);
  else
    select string_agg(format('%s=%s', modelpack.shown(w.key, 63), modelpack.shown(w.value::text, 40)), ', ') into v_bad
      from jsonb_each(weights) as w (key, value)
     where w.key <> all (arms)
        or case when jsonb_typeof(w.value) = 'number' then w.value::text::numeric <> 0 and w.value::text::numeric not between 0.000001 and 1000000 else true end;
  end if;
  v_bad := coalesce(v_bad, (select string_agg(format('no weight for %s', a.arm), ', ') from unnest(arms) as a (arm) where not weights ? a.arm));
  if v_bad is null then
    select sum(w.value::text::double precision) into v_sum from jsonb_each(weights) as w (key, value);
    if v_sum > 0 then
      return (select jsonb_object_agg(w.key, w.value::text::double precision / v_sum) from jsonb_each(weights) as w (key, value));
    end if;
    v_bad := 'all weights are 0';
  end if;
  raise exception using
    errcode = 'invalid_parameter_value',
    message = format('the weights of the experiment %s cannot be used: %s', modelpack.shown(experiment, 63), v_bad),
    detail = format('Expected a number for each of %s: 0, or from 0.000001 to 1000000; one of them above 0.', array_to_string(arms, ', ')),
    hint = 'Weights are shares, such as champion=90 and challenger=10.';
end
$modelpack$;
comment on function modelpack.check_weights(text, text[], jsonb) is 'The weights of the arms of an experiment as probabilities, or an error that says what is wrong with them.';
revoke all on function modelpack.check_weights(text, text[], jsonb) from public;
