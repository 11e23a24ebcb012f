create or replace function modelpack.room_for(shadow modelpack.shadow) returns bigint
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Numbers are given to inputs of all shadows alike: who counts them as his own writes fewer than there is room for, never more.
select coalesce(pg_sequence_last_value('modelpack.shadow_input_input_id_seq'), 0) + (shadow).input_room
       - (select count(*) from modelpack.shadow_input as i where i.shadow_id = (shadow).shadow_id)
$modelpack$;
comment on function modelpack.room_for(modelpack.shadow) is 'Up to which input_id events may write inputs of a shadow, by what waits for it now.';
revoke all on function modelpack.room_for(modelpack.shadow) from public;
