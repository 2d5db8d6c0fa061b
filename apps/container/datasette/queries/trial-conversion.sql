-- title: Trial conversion
-- group: Subscribers
-- description: Trials by the month they ended: how many paid afterwards. A trial counts as converted when an invoice with an amount was paid after it began.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
with
-- include: months
, trials as materialized (
  select m.month, exists (select 1 from invoices i where i.subscription = s.id and i.amount_paid > 0) as paid
  from months m cross join subscriptions s on s.trial_end >= m.begin and s.trial_end < m.finish and s.trial_end <= m.instant
  where s.trial_start is not null
)
select month, count(*) as trials, sum(paid) as converted, sum(not paid) as not_converted, round(100.0 * sum(paid) / count(*), 1) as percent
from trials
group by month
order by month
