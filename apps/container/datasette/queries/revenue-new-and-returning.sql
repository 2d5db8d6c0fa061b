-- title: One-off and invoiced payments by month
-- group: Revenue
-- description: Successful charges with an invoice (subscriptions and billing) and without (one-off).
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
select m.month, c.currency,
  money(coalesce(sum(c.amount_captured) filter (where c.invoice is not null), 0), c.currency) as invoiced,
  money(coalesce(sum(c.amount_captured) filter (where c.invoice is null), 0), c.currency) as one_off,
  count(distinct c.customer) as paying_customers
from months m cross join charges c on c.created >= m.begin and c.created < m.finish
where c.status = 'succeeded' and (:currency = '' or c.currency = :currency)
group by m.month, c.currency
order by m.month, c.currency
