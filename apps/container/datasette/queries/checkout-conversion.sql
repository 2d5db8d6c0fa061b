-- title: Checkout conversion by month
-- group: Checkout
-- description: Checkout pages opened, and what became of them.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
with
-- include: months
select m.month, s.mode, count(*) as sessions, count(*) filter (where s.status = 'complete') as complete,
  count(*) filter (where s.status = 'expired') as expired, round(100.0 * count(*) filter (where s.status = 'complete') / count(*), 1) as percent
from months m join checkout_sessions s on s.created >= m.begin and s.created < m.finish
group by m.month, s.mode
order by m.month, s.mode
