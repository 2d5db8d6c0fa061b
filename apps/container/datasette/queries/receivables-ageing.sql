-- title: Ageing receivables
-- group: Invoices
-- description: What open invoices still owe, by how long it is overdue. An invoice that is charged automatically is due when it is made.
select i.currency, case when i.due_date is null and i.attempt_count = 0 then 'not due'
    when coalesce(i.due_date, i.created) >= datetime('now') then 'not due'
    when coalesce(i.due_date, i.created) >= datetime('now', '-30 days') then '1 to 30 days'
    when coalesce(i.due_date, i.created) >= datetime('now', '-60 days') then '31 to 60 days'
    when coalesce(i.due_date, i.created) >= datetime('now', '-90 days') then '61 to 90 days'
    else 'over 90 days' end as age, count(*) as invoices, count(distinct i.customer) as customers, money(sum(i.amount_remaining), i.currency) as owed
from invoices i
where i.status = 'open' and i.amount_remaining > 0
group by 1, 2
order by i.currency, min(coalesce(i.due_date, i.created)) desc
