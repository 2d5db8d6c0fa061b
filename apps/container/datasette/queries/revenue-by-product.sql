-- title: Revenue by product
-- group: Revenue
-- description: Lines of paid invoices by product, net of discounts, without tax. Credit notes are not taken off.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
, lines as materialized (
  select l.price, l.currency, l.quantity, l.amount,
    case when coalesce(l.discount_amounts, '[]') = '[]' then 0 else (select sum(value ->> 'amount') from json_each(l.discount_amounts)) end as discount,
    iif(instr(l.taxes, '"inclusive"') > 0, l.taxes, '[]') as inclusive
  from (select min(begin) as begin, max(finish) as finish from months) m
  -- In the order of ids, which is that of the lines: read one after the other they come many times as fast as by date.
  cross join invoices i on i.id > '' and +i.created >= m.begin and +i.created < m.finish and +i.status = 'paid'
  cross join invoice_line_items l on l.invoice = i.id
  where l.currency >= :currency and (:currency = '' or l.currency = :currency)
), sold as (
  select price, currency, count(*) as lines, sum(quantity) as quantity, sum(amount) as amount,
    sum(amount - discount - case inclusive when '[]' then 0
      else (select coalesce(sum(value ->> 'amount'), 0) from json_each(inclusive) where value ->> 'tax_behavior' = 'inclusive') end) as revenue
  from lines
  group by price, currency
)
select p.product, coalesce(pr.name, p.product, 'no product') as name, sold.currency, sum(sold.lines) as lines, sum(sold.quantity) as quantity,
  money(sum(sold.revenue), sold.currency) as revenue
from sold
left join prices p on p.id = sold.price
left join products pr on pr.id = p.product
group by p.product, sold.currency
order by sold.currency, sum(sold.amount) desc
