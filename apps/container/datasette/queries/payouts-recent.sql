-- title: Payouts
-- group: Balance and payouts
-- description: Money sent to the bank, newest first.
-- param: since = 90 days ago
select id, created, arrival_date, amount, currency, status, method, automatic, failure_code, balance_transaction
from payouts
where created >= coalesce(nullif(:since, ''), datetime('now', '-90 days'))
order by created desc
limit 1000
