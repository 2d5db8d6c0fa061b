-- title: Uncollectible invoices
-- group: Invoices
-- description: Invoices that were given up.
-- param: since = 365 days ago
select i.id, i.number, i.customer, cu.name, i.created, i.amount_remaining, i.currency, i.subscription
from invoices i left join customers cu on cu.id = i.customer
where i.status = 'uncollectible' and i.created >= coalesce(nullif(:since, ''), datetime('now', '-365 days'))
order by i.created desc
limit 1000
