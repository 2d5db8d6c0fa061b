-- title: Dispute rate by month
-- group: Refunds and disputes
-- description: Disputes by the month of the disputed charge, against successful charges of that month; the amount is what the banks claim, which may be part of a charge.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
select m.month, c.currency, count(*) filter (where c.status = 'succeeded') as payments, count(*) filter (where c.disputed) as disputed,
  round(100.0 * count(*) filter (where c.disputed) / nullif(count(*) filter (where c.status = 'succeeded'), 0), 2) as percent,
  money(coalesce(sum(case when c.disputed then
    coalesce((select sum(d.amount) from disputes d where d.charge = c.id and d.currency = c.currency), c.amount) end), 0), c.currency) as disputed_amount
from months m cross join charges c on c.created >= m.begin and c.created < m.finish
where (:currency = '' or c.currency = :currency)
group by m.month, c.currency
order by m.month, c.currency
