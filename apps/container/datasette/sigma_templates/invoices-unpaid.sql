-- title: Unpaid invoices
-- description: Open invoices with their customers
select i.id, i.number, i.amount_due, i.currency, i.date, i.due_date, c.email, c.name
from invoices i
left join customers c on c.id = i.customer_id
where not i.paid and i.status = 'open'
order by i.date
