-- title: Revenue by product
-- group: Revenue
-- description: Lines of paid invoices by product, net of discounts, without tax.
-- param: months = 12
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with months as (
  select value ->> 0 as month, value ->> 1 as begin, value ->> 2 as finish, value ->> 3 as instant
  from json_each(months(:tz, :months, :until))
)
select p.product, coalesce(pr.name, p.product, 'no product') as name, l.currency, count(*) as lines, sum(l.quantity) as quantity,
  money(sum(l.amount - coalesce((select sum(value ->> 'amount') from json_each(l.discount_amounts)), 0)), l.currency) as revenue
from (select min(begin) as begin, max(finish) as finish from months) m
cross join invoices i on i.created >= m.begin and i.created < m.finish and i.status = 'paid'
cross join invoice_line_items l on l.invoice = i.id
left join prices p on p.id = l.price
left join products pr on pr.id = p.product
where (:currency = '' or l.currency = :currency)
group by p.product, l.currency
order by l.currency, sum(l.amount) desc
