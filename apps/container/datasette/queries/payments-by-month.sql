-- title: Payments by month
-- group: Revenue
-- description: Charges by the month they were made: how many succeeded and failed, and what they took.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
select m.month, c.currency,
  count(*) filter (where c.status = 'succeeded') as succeeded,
  count(*) filter (where c.status = 'failed') as failed,
  round(100.0 * count(*) filter (where c.status = 'succeeded') / count(*), 1) as success_percent,
  money(coalesce(sum(c.amount_captured) filter (where c.status = 'succeeded'), 0), c.currency) as taken,
  money(coalesce(sum(c.amount_refunded) filter (where c.status = 'succeeded'), 0), c.currency) as refunded_since
from months m cross join charges c on c.created >= m.begin and c.created < m.finish
where (:currency = '' or c.currency = :currency)
group by m.month, c.currency
order by m.month, c.currency
