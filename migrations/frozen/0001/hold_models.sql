create or replace function modelpack.hold_models(models text[]) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- The row of a model is what keeps its switches: whoever writes, makes or drops one holds it first, and several by name.
-- No verb of a publisher's holds it but disable and enable, so nobody else can keep a model from being stopped.
declare
  v_setting constant text := current_setting('lock_timeout');
  v_blame record;
begin
  if cardinality(models) = 0 then
    return;
  end if;
  perform modelpack.hold(hold_models.models);
  -- the tables of the declaration are locked by now: their traffic waits as long as we do
  if v_setting::interval = interval '0' or v_setting::interval > interval '3 s' then
    perform set_config('lock_timeout', '3s', true);
  end if;
  perform from modelpack.model as m where m.model = any (models) order by m.model for no key update;
  -- written, not only locked: whoever disables by a snapshot from before fails, where he would miss a profile
  update modelpack.model as m set disabled = m.disabled where m.model = any (models);
  perform set_config('lock_timeout', v_setting, true);
exception when lock_not_available then
  v_blame := modelpack.blame(hold_models.models, 'Then apply the declaration again.');
  raise exception using
    errcode = 'lock_not_available',
    message = format('the model %s is being disabled or enabled in another transaction', array_to_string(models, ' or ')),
    detail = v_blame.detail,
    hint = v_blame.hint;
end
$modelpack$;
comment on function modelpack.hold_models(text[]) is
  'Keeps models from being disabled or enabled to the end of the transaction; it waits three seconds for them, or lock_timeout where that is less; a step of applying a declaration and of taking it off.';
