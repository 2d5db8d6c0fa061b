-- title: Early fraud warnings
-- group: Refunds and disputes
-- description: Charges that issuers suspect and that can still be refunded before a dispute.
select w.id, w.created, w.fraud_type, w.actionable, w.charge, c.amount, c.currency, c.customer, c.amount_refunded
from early_fraud_warnings w left join charges c on c.id = w.charge
order by w.actionable desc, w.created desc
limit 1000
