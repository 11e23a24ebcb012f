-- The figures of modelpack.fit for each declared segment, and for each arm of an experiment.

create view modelpack.fit_by_segment as
with parts as (
  select j.*, s.key as segment, s.value as of
    from modelpack.judgement as j cross join lateral jsonb_each_text(j.segments) as s
), placed as (
  select p.*, rank() over same_kind + (count(*) over (partition by p.profile, p.score, p.version, p.cut_off, p.segment, p.of, p.status, p.prediction) - 1) / 2.0 as place
    from parts as p
  window same_kind as (partition by p.profile, p.score, p.version, p.cut_off, p.segment, p.of, p.status order by p.prediction)
), counted as (
  select p.profile, p.score, p.model, p.version, p.cut_off, p.segment, p.of, p.kind, p.ripe_at,
         count(*) as rows,
         count(*) filter (where p.status = 'settled') as settled,
         count(*) filter (where p.status = 'pending') as pending,
         count(*) filter (where p.status = 'lost') as lost,
         avg(p.prediction) filter (where p.status = 'settled') as mean_score,
         avg(p.outcome) as mean_outcome,
         avg((p.prediction - p.outcome) ^ 2) as mean_square,
         avg(abs(p.prediction - p.outcome)) as mean_absolute,
         sum(p.place) filter (where p.outcome = 1)::double precision as places,
         count(*) filter (where p.outcome = 1)::double precision as ones,
         count(*) filter (where p.outcome = 0)::double precision as zeros
    from placed as p
   group by p.profile, p.score, p.model, p.version, p.cut_off, p.segment, p.of, p.kind, p.ripe_at
)
select c.profile, c.score, c.model, c.version, c.cut_off, c.segment, c.of as value, c.rows, c.settled, c.pending, c.lost,
       c.pending::double precision / c.rows as pending_share,
       c.ripe_at <= now() and c.pending = 0 as final,
       c.mean_score, c.mean_outcome,
       case when c.kind = 'binary' then (c.places - c.ones * (c.ones + 1) / 2) / nullif(c.ones * c.zeros, 0) end as auc,
       case when c.kind = 'binary' then c.mean_square end as brier,
       case when c.kind = 'number' then c.mean_absolute end as mae,
       case when c.kind = 'number' then sqrt(c.mean_square) end as rmse
  from counted as c;
comment on view modelpack.fit_by_segment is 'the figures of modelpack.fit for each declared segment and, as the segment arm, for each arm of an experiment';

grant select on modelpack.fit_by_segment to modelpack_publisher, modelpack_approver, modelpack_monitor;
-- as on every table and view of the schema, which a repair grants again
grant select, insert, update, delete on modelpack.fit_by_segment to modelpack_owner;
