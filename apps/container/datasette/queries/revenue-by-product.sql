-- title: Revenue by product
-- group: Revenue
-- description: Lines of paid invoices by product, net of discounts, without tax. Credit notes are not taken off.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
select p.product, coalesce(pr.name, p.product, 'no product') as name, l.currency, count(*) as lines, sum(l.quantity) as quantity,
  money(sum(l.amount - case when coalesce(l.discount_amounts, '[]') = '[]' then 0 else (select sum(value ->> 'amount') from json_each(l.discount_amounts)) end
    - case when coalesce(l.taxes, '[]') = '[]' then 0
      else (select coalesce(sum(value ->> 'amount'), 0) from json_each(l.taxes) where value ->> 'tax_behavior' = 'inclusive') end), l.currency) as revenue
from (select min(begin) as begin, max(finish) as finish from months) m
cross join invoices i on i.created >= m.begin and i.created < m.finish and i.status = 'paid'
cross join invoice_line_items l on l.invoice = i.id
left join prices p on p.id = l.price
left join products pr on pr.id = p.product
where (:currency = '' or l.currency = :currency)
group by p.product, l.currency
order by l.currency, sum(l.amount) desc
