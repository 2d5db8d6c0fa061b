-- title: Disputes to answer
-- group: Refunds and disputes
-- description: Disputes that wait for evidence, those due first on top.
select d.id, d.created, d.amount, d.currency, d.reason, d.status, datetime(d.evidence_details ->> 'due_by', 'unixepoch') as due,
  d.charge, c.customer, cu.name, cu.email
from disputes d
left join charges c on c.id = d.charge
left join customers cu on cu.id = c.customer
where d.status in ('needs_response', 'warning_needs_response')
order by due
limit 1000
