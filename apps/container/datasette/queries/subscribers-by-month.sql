-- title: Subscriptions by month
-- group: Subscribers
-- description: Subscriptions that ran at the end of each month, and those that began and ended in it. Incomplete ones never ran.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
with
-- include: months
select m.month,
  count(*) filter (where s.created < m.instant and (s.ended_at is null or s.ended_at >= m.instant)) as running,
  count(*) filter (where s.created >= m.begin and s.created < m.finish) as began,
  count(*) filter (where s.ended_at >= m.begin and s.ended_at < m.finish) as ended
from months m left join subscriptions s on +s.status not in ('incomplete', 'incomplete_expired')
group by m.month
order by m.month
