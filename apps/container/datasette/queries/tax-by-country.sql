-- title: Tax by country and rate
-- group: Tax
-- description: Tax of paid invoices by the customer's country and the tax rate: the basis of returns. Credit notes are not taken off.
-- param: months = 3
-- param: tz = UTC
-- param: until = now
-- param: currency = each
with
-- include: months
, taxed as materialized (
  select i.id, i.currency, i.customer_address ->> 'country' as country, i.customer_address ->> 'state' as state,
    coalesce(i.total_taxes, i.total_tax_amounts) as taxes
  from (select min(begin) as begin, max(finish) as finish from months) m
  cross join invoices i on i.created >= m.begin and i.created < m.finish and i.status = 'paid'
  where (:currency = '' or i.currency = :currency)
)
select coalesce(taxed.country, '?') as country, taxed.state,
  coalesce(t.value ->> '$.tax_rate_details.tax_rate', t.value ->> 'tax_rate') as tax_rate, taxed.currency, count(distinct taxed.id) as invoices,
  money(sum(t.value ->> 'taxable_amount'), taxed.currency) as taxable, money(sum(t.value ->> 'amount'), taxed.currency) as tax
from taxed cross join json_each(taxed.taxes) t
group by 1, 2, 3, 4
order by taxed.currency, sum(t.value ->> 'amount') desc
