-- title: Draft invoices
-- group: Invoices
-- description: Invoices that nobody has finished, oldest first.
select id, customer, created, total, currency, auto_advance, automatically_finalizes_at, billing_reason
from invoices
where status = 'draft'
order by created
limit 1000
