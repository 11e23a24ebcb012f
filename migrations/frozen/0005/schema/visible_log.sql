-- The log for those who are no monitors: of rows of the profile that they may read, with the inputs that they may read.

-- A view reads its tables as its owner, but its functions run as whoever reads the view.
create view modelpack.visible_log with (security_barrier) as
select l.prediction_id, l.scored_at, l.profile, l.entity_key, l.score, l.model, l.version, l.prediction,
       modelpack.shown_inputs(p.relation, v.signature, coalesce(s.inputs, '{}'), l.inputs, l.text_inputs) as inputs,
       l.microseconds
  from modelpack.prediction as l
  join modelpack.profile as p on p.name = l.profile
  join modelpack.version as v on v.model = l.model and v.version = l.version
  left join modelpack.score as s on s.profile_id = p.profile_id and s.score = l.score
 where pg_has_role(current_user, 'modelpack_monitor', 'usage')
    or modelpack.sees_entity(p.relation, array(select jsonb_array_elements_text(p.declaration -> 'key')), l.score, l.entity_key);
comment on view modelpack.visible_log is 'the prediction log as far as who reads it may read the profile: rows of entities that its grants and policies show him, with the inputs whose columns he may read';
comment on column modelpack.visible_log.prediction_id is 'as in modelpack.prediction';
comment on column modelpack.visible_log.scored_at is 'the moment of scoring';
comment on column modelpack.visible_log.profile is 'the profile table';
comment on column modelpack.visible_log.entity_key is 'key of the profile row as text; a JSON array where it has several columns';
comment on column modelpack.visible_log.score is 'name of the score';
comment on column modelpack.visible_log.model is 'name of the model';
comment on column modelpack.visible_log.version is 'version that gave the score';
comment on column modelpack.visible_log.prediction is 'the score';
comment on column modelpack.visible_log.inputs is 'the inputs by name, without those that read a column which he may not read; NULL where they were erased';
comment on column modelpack.visible_log.microseconds is 'how long the model took, where that is known';
grant select on modelpack.visible_log to modelpack_publisher, modelpack_approver, modelpack_reader, modelpack_monitor;
-- as on every table and view of the schema, which a repair grants again
grant select, insert, update, delete on modelpack.visible_log to modelpack_owner;
