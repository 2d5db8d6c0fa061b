-- title: Delinquent customers
-- group: Customers
-- description: Customers whose last invoice could not be charged, and what they owe.
select cu.id, cu.name, cu.email, i.currency, count(i.id) as open_invoices, money(sum(i.amount_remaining), i.currency) as owed
from customers cu left join invoices i on i.customer = cu.id and i.status = 'open'
where cu.delinquent = 1
group by cu.id, i.currency
order by sum(i.amount_remaining) desc
limit 1000
