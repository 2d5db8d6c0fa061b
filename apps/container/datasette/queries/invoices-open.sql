-- title: Open invoices
-- group: Invoices
-- description: Invoices that are not paid yet, oldest first.
select i.id, i.number, i.customer, cu.name, i.created, i.due_date, case when i.due_date is null and i.attempt_count = 0 then 'not due'
    when coalesce(i.due_date, i.created) >= datetime('now') then 'not due'
    when coalesce(i.due_date, i.created) >= datetime('now', '-30 days') then '1 to 30 days'
    when coalesce(i.due_date, i.created) >= datetime('now', '-60 days') then '31 to 60 days'
    when coalesce(i.due_date, i.created) >= datetime('now', '-90 days') then '61 to 90 days'
    else 'over 90 days' end as age, i.amount_remaining, i.currency, i.collection_method, i.attempt_count
from invoices i left join customers cu on cu.id = i.customer
where i.status = 'open' and i.amount_remaining > 0
order by coalesce(i.due_date, i.created)
limit 1000
