-- title: Refunds by month
-- group: Refunds and disputes
-- description: Refunds by the month they were made, against what was taken in that month.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with months as (
  select value ->> 0 as month, value ->> 1 as begin, value ->> 2 as finish, value ->> 3 as instant
  from json_each(months(:tz, :months, :until))
)
, taken as (
  select m.month, c.currency, sum(c.amount_captured) as amount, count(*) as payments
  from months m cross join charges c on c.created >= m.begin and c.created < m.finish
  where c.status = 'succeeded' group by 1, 2
), given as (
  select m.month, r.currency, sum(r.amount) as amount, count(*) as refunds
  from months m cross join refunds r on r.created >= m.begin and r.created < m.finish
  where r.status not in ('failed', 'canceled') group by 1, 2
)
select t.month, t.currency, coalesce(g.refunds, 0) as refunds, money(coalesce(g.amount, 0), t.currency) as refunded,
  money(t.amount, t.currency) as taken, round(100.0 * coalesce(g.amount, 0) / nullif(t.amount, 0), 2) as refunded_percent
from taken t left join given g on g.month = t.month and g.currency = t.currency
where (:currency = '' or t.currency = :currency)
order by t.month, t.currency
