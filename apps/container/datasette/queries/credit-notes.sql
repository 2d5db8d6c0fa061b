-- title: Credit notes
-- group: Invoices
-- description: Corrections of invoices, newest first.
-- param: since = 365 days ago
select n.id, n.number, n.created, n.customer, cu.name, n.invoice, n.total, n.currency, n.reason, n.type, n.status, n.memo
from credit_notes n left join customers cu on cu.id = n.customer
where n.created >= coalesce(nullif(:since, ''), datetime('now', '-365 days'))
order by n.created desc
limit 1000
