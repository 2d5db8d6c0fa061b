-- title: Tax by month
-- group: Tax
-- description: Tax on invoices that are not void, by the month they were made.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
select m.month, i.currency, count(*) as invoices, money(sum(i.total), i.currency) as total,
  money(sum(coalesce(i.tax, 0)), i.currency) as tax, money(sum(i.total - coalesce(i.tax, 0)), i.currency) as without_tax
from months m cross join invoices i on i.created >= m.begin and i.created < m.finish
where i.status in ('paid', 'open', 'uncollectible') and (:currency = '' or i.currency = :currency)
group by m.month, i.currency
order by m.month, i.currency
