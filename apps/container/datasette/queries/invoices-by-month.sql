-- title: Invoices by month
-- group: Invoices
-- description: What was invoiced in each month, and what became of it.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with months as (
  select value ->> 0 as month, value ->> 1 as begin, value ->> 2 as finish, value ->> 3 as instant
  from json_each(months(:tz, :months, :until))
)
select m.month, i.currency, count(*) as invoices, money(sum(i.total), i.currency) as invoiced,
  money(coalesce(sum(i.total) filter (where i.status = 'paid'), 0), i.currency) as paid,
  money(coalesce(sum(i.amount_remaining) filter (where i.status = 'open'), 0), i.currency) as open,
  money(coalesce(sum(i.total) filter (where i.status = 'uncollectible'), 0), i.currency) as uncollectible,
  money(coalesce(sum(i.total) filter (where i.status = 'void'), 0), i.currency) as void
from months m cross join invoices i on i.created >= m.begin and i.created < m.finish
where i.status <> 'draft' and (:currency = '' or i.currency = :currency)
group by m.month, i.currency
order by m.month, i.currency
