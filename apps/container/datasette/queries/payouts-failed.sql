-- title: Failed payouts
-- group: Balance and payouts
-- description: Payouts that the bank sent back, and why.
select id, created, amount, currency, failure_code, failure_message, destination
from payouts
where status in ('failed', 'canceled')
order by created desc
limit 1000
