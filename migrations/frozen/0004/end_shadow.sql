create or replace function modelpack.end_shadow(shadow integer, caller name) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_before constant text := current_setting('lock_timeout');
  v_ended modelpack.shadow;
begin
  begin
    perform set_config('lock_timeout', modelpack.patience(), true);
    update modelpack.shadow as s set ended_at = clock_timestamp(), ended_by = end_shadow.caller where s.shadow_id = end_shadow.shadow
    returning * into v_ended;
    perform set_config('lock_timeout', v_before, true);
  exception when lock_not_available then
    select * into v_ended from modelpack.shadow as s where s.shadow_id = end_shadow.shadow;
    raise exception using
      errcode = 'lock_not_available',
      message = format('version %s of %s scores a batch as a shadow just now', v_ended.version, v_ended.model),
      detail = format('Held by: %s.', modelpack.lockers(tables => array['modelpack.shadow'::regclass])),
      hint = 'Try again when the batch is done; where it takes long, have modelpack.score_shadows take a smaller one. How long is waited: set lock_timeout, or lock_wait of modelpack.setting.';
  end;
  if v_ended.input_limit is not null then
    perform modelpack.feed_shadow(v_ended.shadow_id);
  end if;
end
$modelpack$;
comment on function modelpack.end_shadow(integer, name) is 'Ends a shadow, and waits for a batch that it scores no longer than modelpack.patience().';
revoke all on function modelpack.end_shadow(integer, name) from public;
