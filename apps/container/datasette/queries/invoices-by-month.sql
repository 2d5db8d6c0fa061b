-- title: Invoices by month
-- group: Invoices
-- description: What was invoiced in each month, and what became of it. Settled are payments, parts of payments, customers' credit and credit notes; settled, open, uncollectible and void make up what was invoiced.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
select m.month, i.currency, count(*) as invoices, money(sum(i.total), i.currency) as invoiced,
  money(coalesce(sum(case i.status when 'paid' then i.total when 'void' then 0 else i.total - i.amount_remaining end), 0), i.currency) as paid,
  money(coalesce(sum(i.amount_remaining) filter (where i.status = 'open'), 0), i.currency) as open,
  money(coalesce(sum(i.amount_remaining) filter (where i.status = 'uncollectible'), 0), i.currency) as uncollectible,
  money(coalesce(sum(i.total) filter (where i.status = 'void'), 0), i.currency) as void
from months m cross join invoices i on i.created >= m.begin and i.created < m.finish
where i.status <> 'draft' and (:currency = '' or i.currency = :currency)
group by m.month, i.currency
order by m.month, i.currency
