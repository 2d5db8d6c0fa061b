-- title: Lifetime value of customers
-- group: Revenue
-- description: What each customer has paid since the beginning, refunds taken off: average and totals by the month they came.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
, paid as (
  select m.month, cu.id as customer, c.currency, sum(c.amount_captured - c.amount_refunded) as paid
  from months m cross join customers cu on cu.created >= m.begin and cu.created < m.finish
  cross join charges c on c.customer = cu.id
  where +c.status = 'succeeded' and (:currency = '' or c.currency = :currency)
  group by 1, 2, 3
)
select month, currency, count(*) as paying_customers, money(sum(paid), currency) as paid, money(avg(paid), currency) as average
from paid
group by month, currency
order by month, currency
