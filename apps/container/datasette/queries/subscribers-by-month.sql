-- title: Subscriptions by month
-- group: Subscribers
-- description: Subscriptions that ran at the end of each month, and those that began and ended in it. Incomplete ones never ran.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
with
-- include: months
select m.month,
  -- Who has begun, less who has ended, by that moment.
  (select count(*) from subscriptions s where s.created < m.instant and +s.status not in ('incomplete', 'incomplete_expired'))
    - (select count(*) from subscriptions s where s.ended_at < m.instant and +s.status not in ('incomplete', 'incomplete_expired')) as running,
  (select count(*) from subscriptions s where s.created >= m.begin and s.created < m.finish and +s.status not in ('incomplete', 'incomplete_expired')) as began,
  (select count(*) from subscriptions s where s.ended_at >= m.begin and s.ended_at < m.finish and +s.status not in ('incomplete', 'incomplete_expired')) as ended
from months m
order by m.month
