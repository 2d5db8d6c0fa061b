-- title: Refunds by month
-- group: Refunds and disputes
-- description: Refunds by the month they were made, against what was taken in that month.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
, taken as (
  select m.month, c.currency, sum(c.amount_captured) as amount, count(*) as payments
  from months m cross join charges c on c.created >= m.begin and c.created < m.finish
  where c.status = 'succeeded' group by 1, 2
), given as (
  select m.month, r.currency, sum(r.amount) as amount, count(*) as refunds
  from months m cross join refunds r on r.created >= m.begin and r.created < m.finish
  where r.status not in ('failed', 'canceled') group by 1, 2
)
, either as (
  select month, currency from taken union select month, currency from given
)
select e.month, e.currency, coalesce(g.refunds, 0) as refunds, money(coalesce(g.amount, 0), e.currency) as refunded,
  money(coalesce(t.amount, 0), e.currency) as taken, round(100.0 * coalesce(g.amount, 0) / nullif(t.amount, 0), 2) as refunded_percent
from either e
left join taken t on t.month = e.month and t.currency = e.currency
left join given g on g.month = e.month and g.currency = e.currency
where (:currency = '' or e.currency = :currency)
order by e.month, e.currency
